/* What the command line and the running server say to each other on the control socket: one JSON
 * object and a newline each way, then the connection ends.
 *
 *   {"command": "add", "uuid": ..., "device": 2, "password": ..., "endpoint": ...}
 *   {"command": "list"}   {"command": "remove", "uuid": ...}   {"command": "ping", "uuid": ...}
 *
 *   {"done": true, ...}   or   {"done": false, "error": "one sentence"}
 *
 * list answers with "accounts", ping with "answers": one {"device"?, "accepted", "text"} per
 * device. */
#ifndef DOORBELL_CONTROL_PROTO_H
#define DOORBELL_CONTROL_PROTO_H

enum {
    CONTROL_REQUEST_MAX = 16 * 1024,
    CONTROL_ANSWER_MAX = 64 * 1024 * 1024, /* a list of every account that a process can hold */
    CONTROL_CLIENTS_MAX = 16,
};

#endif
