/** The selection that the jobs share: failed logins at sshd, four fields of each. */
export const SELECT = {
  where: [
    { field: 'action', equals: 'login_failed' },
    { field: 'program', equals: 'sshd' },
  ],
  keep: ['ts', 'user', 'src_ip', 'host'],
};
