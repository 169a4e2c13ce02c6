/* Carries out what the operator asks: the same code whether the request came over the control
 * socket or the command line acts on the store by itself. */
#ifndef DOORBELL_CONTROL_COMMANDS_H
#define DOORBELL_CONTROL_COMMANDS_H

#include <jansson.h>

#include "base/buf.h"
#include "bridge/bridge.h"
#include "sandbox/sandbox.h"

/* What "status" answers (bridge/view.h says more). Times are seconds since 1970, 0 where there is
 * none; no id, password or path of an endpoint is in it.
 *
 * "sealed": whether device passwords are in the store
 *
 * "sandbox": "files", "calls", each "on", "off" (by the setting) or "missing" (this machine); only
 *   of a server that runs
 *
 * "refused_reload": null, or the last reload where that was refused: "at", "why" (a sentence),
 *   "for_restart" (a restart would take it); only of a server that runs
 *
 * "told": "alerts" and "heartbeat", each null (there is nobody to tell) or {"origin", "since" (what
 *   was sent last did not arrive, since then; 0: it did, or nothing was sent), "why"}; likewise
 *
 * "road": how Signal is reached: "name" ("HTTP/2"), "why" (null, or why not over the better one),
 *   and of HTTP/2 "connections" and "streams", which are the links on them; likewise
 *
 * "certificate": null, or that of web.tls_cert which is in use: "ends", "near" (within
 *   alert.certificate_within, or passed); likewise
 *
 * "deaf": [{"setting", "why"}] of metrics.listen and admin.listen, where nobody listens although
 *   somebody should; likewise
 *
 * "bridge": "running" (false: no server runs, the store was read), "now", "started", "accounts",
 *   "owed" (accounts), "by_health" {"off", "well", "trying", "broken"}, "by_state" {"connecting",
 *   "up", "backing-off", "contested", "refused", "disabled"}, "by_endpoint" {"ok", "failing",
 *   "suspect", "gone"}, "alarm" (null, "credentials", "client", "server" or "clock": all accounts
 *   are refused alike), "store_fails", "no_room", "links_most" (0: any number), "heard" (the
 *   messenger's last frame), "message" (the last of any account), "queued" and "sending" (pushes),
 *   "origins_down" [{"origin", "since", "next_try", "words", "waiting"}], "advice" [sentences on
 *   what concerns all], "refused" (null, or the last phone that was refused or not let in yet:
 *   {"at", "status", "origin", "why"})
 *
 * "accounts", of each: "pseudonym", "device", "health", "advice" (null or one sentence),
 *   "owed_since", "owed_is_stored", "timeline"? [{"at", "text"}], oldest first, and
 *
 * "link": "state", "known" (false: no server runs), "words", "reason" (null: nothing failed yet),
 *   "code", "proven", "alike", "since", "next_try"
 *
 * "endpoint": "origin", "state", "words", "status" (0: no answer), "proven", "for_good", "denied",
 *   "accepted" (any push), "not_before"
 *
 * "message": "at", "urgent", "own_at", "count"
 *
 * "ring": "at", "status", "latency_ms" (0: not known), "failed_at", "failed_status" (0: no answer),
 *   "count", "queued", "sent" (under way), "next_try" */

/* Whom they are carried out on. All but the bridge is NULL where no server runs. */
struct commands_host {
    struct bridge *bridge;
    const struct sandbox *sandbox;
    /* Loads the configuration again, as SIGHUP does. */
    int (*reload)(void *arg, struct err *err);
    /* "refused_reload" of the status. */
    json_t *(*refused_reload)(void *arg);
    json_t *(*told)(void *arg);        /* likewise "told" */
    json_t *(*road)(void *arg);        /* likewise "road" */
    json_t *(*certificate)(void *arg); /* likewise "certificate" */
    json_t *(*deaf)(void *arg);        /* likewise "deaf" */
    /* Which settings differ from those of whoever asks: config/likeness.h. */
    json_t *(*compare)(void *arg, const json_t *question);
    /* An archive (backup/collect.h), which the caller wipes; NULL: no server runs. */
    int (*back_up)(void *arg, bool secrets, struct buf *content, struct err *err);
    /* A nonce for a request to the public address, and what became of it (web/witness.h), as
     * {"nonce"} and {"seen", ...}; NULL: there is no web server. */
    json_t *(*expect)(void *arg);
    json_t *(*seen)(void *arg, const char *nonce);
    /* {"key": public, "file": where the private one is (null: in the configuration)} and, for an
     * origin that is not NULL, {"authorization"}. NULL with `err` filled: there is none. */
    json_t *(*key)(void *arg, const char *origin, struct err *err);
    /* Sends an alert that says that it is none, and calls `tried` once: alert/lookout.h. */
    int (*try_alert)(void *arg, void (*tried)(void *tried_arg, bool taken, const char *why),
                     void *tried_arg, struct err *err);
    void *arg;
};

/* `answer` belongs to the receiver. Called once, perhaps before commands_run returns. */
typedef void commands_fn(void *arg, json_t *answer);

/* `request` is borrowed. `arg` must live until `fn` was called, which bridge_free ensures at the
 * latest. */
void commands_run(const struct commands_host *host, const json_t *request, commands_fn *fn,
                  void *arg);

#endif
