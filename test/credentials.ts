/**
 * Credentials files, as an operator of NATS issues them: signed JWTs and seeds, made anew for each test.
 */
import { nkeys } from 'nats';

/** A small operator: an account with JetStream off, and users that it has signed or a stranger has. */
export function issueCredentials() {
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
  type Signer = ReturnType<typeof nkeys.createUser>;
  let issued = 0;
  const jwt = (signer: Signer, subject: Signer, type: string, claims: object) => {
    const body = {
      jti: `${++issued}`,
      iat: Math.floor(Date.now() / 1000),
      iss: signer.getPublicKey(),
      name: type,
      sub: subject.getPublicKey(),
      nats: { type, version: 2, ...claims },
    };
    const text = `${encoded({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encoded(body)}`;
    return `${text}.${Buffer.from(signer.sign(Buffer.from(text))).toString('base64url')}`;
  };
  const operator = nkeys.createOperator();
  const account = nkeys.createAccount();
  const limits = {
    subs: -1,
    data: -1,
    payload: -1,
    imports: -1,
    exports: -1,
    wildcards: true,
    conn: -1,
    leaf: -1,
  };
  const accountJwt = jwt(operator, account, 'account', { limits });
  const credsOf = (signer: Signer) => {
    const user = nkeys.createUser();
    const claims = { subs: -1, data: -1, payload: -1 };
    return `-----BEGIN NATS USER JWT-----
${jwt(signer, user, 'user', claims)}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${textOf(user.getSeed())}
------END USER NKEY SEED------
`;
  };
  return {
    serverConfig: `jetstream: false
operator: ${jwt(operator, operator, 'operator', {})}
resolver: MEMORY
resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
    creds: () => credsOf(account),
    strangersCreds: () => credsOf(nkeys.createAccount()),
  };
}
