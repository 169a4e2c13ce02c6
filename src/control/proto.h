/* What the command line and the running server say to each other on the control socket: one JSON
 * object and a newline each way, then the connection ends.
 *
 *   {"command": "add", "uuid": ..., "device": 2, "password": ..., "endpoint": ...}
 *   {"command": "status", "account"?: id, pseudonym or its beginning, "timeline"?: true}
 *   {"command": "health", "links": true}
 *   {"command": "reload"}   {"command": "registrations"}
 *   {"command": "try-alert"}   {"command": "backup", "secrets": true}
 *   {"command": "compare", "key": ..., "digests": {"push.timeout": ..., ...}}
 *   {"command": "expect"}   {"command": "seen", "nonce": ...}
 *   {"command": "list"}   {"command": "remove", "uuid": ...}   {"command": "ping", "uuid": ...}
 *
 *   {"done": true, ...}   or   {"done": false, "error": "one sentence"}
 *
 * list answers with "accounts", ping with "answers": one {"accepted", "status", "text"} per
 * device; health is done where all is well, reload once the new configuration is in force.
 * compare answers with "differ", the settings that are not as whoever asks has them
 * (config/likeness.h): {"setting", "place", "fixed", "content"} each.
 * registrations answers with "registrations": the last ones, oldest first (bridge/arrivals.h), each
 * {"number", "at", "status", "account"?, "origin", "why"}. expect answers with "nonce", which a
 * request to the public address is to carry, and seen with what became of that request
 * (web/witness.h). try-alert is done once an alert was taken. backup answers with "backup", an
 * archive in base64 (backup/archive.h), with passwords and keys or without: it is sealed by whoever
 * asked, so that the server never sees the passphrase. */
#ifndef DOORBELL_CONTROL_PROTO_H
#define DOORBELL_CONTROL_PROTO_H

enum {
    CONTROL_REQUEST_MAX = 16 * 1024,
    CONTROL_ANSWER_MAX = 64 * 1024 * 1024, /* a list of every account that a process can hold */
    CONTROL_CLIENTS_MAX = 16,              /* of those that hang, the oldest makes room */
};

#endif
