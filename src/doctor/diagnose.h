/* From facts to findings. Pure: what the running server, or its store, tells of itself
 * (control/commands.h "status") and what the probes saw come in as plain data. */
#ifndef DOORBELL_DOCTOR_DIAGNOSE_H
#define DOORBELL_DOCTOR_DIAGNOSE_H

#include <jansson.h>
#include <stdint.h>

#include "base/log.h"
#include "config/config.h"
#include "doctor/findings.h"
#include "doctor/probes.h"
#include "push/vapid.h"

/* Accounts with the same trouble are one finding. The remedies are those of the status command
 * (bridge/view.h). `key` is of this report alone: a pseudonym of the log would tell whoever sees
 * two reports that they are about the same person. What diagnose_path tells by `facts` (may be
 * NULL) is not told here. */
void diagnose_accounts(struct findings *findings, const json_t *status,
                       const uint8_t key[PSEUDONYM_KEY_SIZE], const struct probe_facts *facts);

/* The phone that came and was refused, and that there is no account. To be called last, as what is
 * in a phone's way is to be mended first. */
void diagnose_phones(struct findings *findings, const json_t *status, enum linking linking);

/* The key that signs pushes, which phones were linked with. */
struct key_facts {
    const char *place; /* push.vapid_key_file; NULL: it is in the configuration, push.vapid_key */
    char running[VAPID_PUBLIC_TEXT_SIZE]; /* of the server that runs; empty: none does */
    char next[VAPID_PUBLIC_TEXT_SIZE];    /* of the next start; empty: it cannot be read */
    bool missing;                         /* there is no such file */
    bool linked;                          /* there are accounts */
};

/* Nothing where it cannot be read: that is said of all files. */
void diagnose_key(struct findings *findings, const struct key_facts *facts);

/* Whether this advice for an account is among those for all accounts; `bridge` is of the status. */
bool diagnose_is_said_of_all(const json_t *bridge, const char *advice);

/* Whether the running server has walled itself in. */
void diagnose_sandbox(struct findings *findings, const json_t *status);

/* Which sockets beside the web port the running server could not open. */
void diagnose_deaf(struct findings *findings, const json_t *status);

/* Which road leads to Signal by the running server's word, where HTTP/2 is one (docs/roads.md).
 * `facts` (may be NULL): where the visits saw that none does, that is told by diagnose_path. */
void diagnose_road(struct findings *findings, const json_t *status,
                   const struct probe_facts *facts);

/* What would keep a server that does not run from listening at an address of web.listen
 * (listener_try). */
void diagnose_port(struct findings *findings, const char *why);

/* What of the store is sealed, and what is not. */
void diagnose_seal(struct findings *findings, const json_t *status);

/* The way to Signal's server, on each road that the settings leave open, for one client and
 * another, over IPv4 and IPv6. Where links may take either road, one that fails is a warning, and
 * what keeps them from both is told once. `concerned` is of concern_write: who is not connected if
 * it fails. */
void diagnose_signal(struct findings *findings, const struct signal_facts *facts,
                     const char *concerned);

/* What its certificates were verified by, and which addresses net.family hides. Nothing where it
 * does not answer. */
void diagnose_roots(struct findings *findings, const struct signal_facts *facts);

/* `concerned` is of concern_write: who is not rung if it fails. */
void diagnose_origin(struct findings *findings, const struct origin_facts *facts,
                     const char *concerned);
/* All of them; `accounts` are of the status. */
void diagnose_origins(struct findings *findings, const struct probe_facts *facts,
                      const json_t *accounts, const uint8_t key[PSEUDONYM_KEY_SIZE]);

/* Whether somebody is there whom alerts could reach, and who misses the heartbeat; and whether they
 * take what is sent, by the running server's word. */
void diagnose_alerts(struct findings *findings, const struct probe_facts *facts);

/* How long that of web.tls_cert is good still; `ends_unix` 0: there is none. Near is what is within
 * `within_s`. */
void diagnose_certificate(struct findings *findings, int64_t ends_unix, int64_t now_unix,
                          int64_t within_s);

/* Whether web.public_url leads to this very server, and with what a proxy has to say. */
void diagnose_public(struct findings *findings, const struct public_facts *facts);

/* By the dates of all answers. VAPID tokens fail beyond five minutes (push/skew.h). */
void diagnose_clock(struct findings *findings, const struct probe_facts *facts);

/* How far a visit came: "answers with 200", "cannot be reached (...)". */
void diagnose_end(char *text, size_t size, const struct visit_facts *visit);

/* Where that is all that is wrong: "has only IPv6 addresses, and this machine has no IPv6", and
 * what to do; NULL: it is not. `fix` has at least FINDING_FIX_SIZE; `otherwise` is what else would
 * help, with a space in front, or empty. */
const char *diagnose_family(const struct visit_facts *visit, const char *otherwise, char *fix);

/* Where a name has addresses of both families and only one of them leads anywhere: the visit that
 * failed; NULL: there is none. `name` is "IPv4" or "IPv6". */
const struct visit_facts *diagnose_dead_family(const struct visit_facts *v4,
                                               const struct visit_facts *v6, const char **name);

/* Softens the findings from `first` on as it was judged. */
void diagnose_judged(struct findings *findings, size_t first, bool had_fault, enum judged judged);

/* All of these. `status` (may be NULL) and `key` as for diagnose_accounts. */
void diagnose_path(struct findings *findings, const struct probe_facts *facts, const json_t *status,
                   const uint8_t key[PSEUDONYM_KEY_SIZE]);

#endif
