/* Listening sockets that whoever started us opened: systemd's socket activation, by the protocol of
 * sd_listen_fds(3). They are inherited from descriptor 3 on, announced by LISTEN_PID and
 * LISTEN_FDS.
 */
#ifndef DOORBELL_WEB_HANDED_H
#define DOORBELL_WEB_HANDED_H

enum { HANDED_FIRST = 3 };

/* How many there are from HANDED_FIRST on; 0 where nobody handed any over, or to another process.
 * The caller owns them from now on: a second call, and a child, finds none. */
int handed_take(void);

#endif
