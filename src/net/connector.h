/* Finds the address of a messenger server that answers, and limits how many handshakes are under
 * way. Happy Eyeballs (RFC 8305) over bare TCP connects, staggered by 250 ms, 10 s each
 * (net.connect_timeout), because two TLS handshakes for one device would displace each other
 * (signal.md 5). The winner's address is handed over, and its socket to whoever takes it; all
 * others are closed again. One address, or a winner that is remembered: no race. Limits (settled.md
 * "process-wide limits"): 64 handshakes in flight, 100 starts a second; candidates have 50 starts a
 * second of their own and never use up the others'. */
#ifndef DOORBELL_NET_CONNECTOR_H
#define DOORBELL_NET_CONNECTOR_H

#include "net/resolver.h"

enum connector_lane { CONNECTOR_ACCOUNT, CONNECTOR_CANDIDATE };

struct connector;
struct attempt;

/* `winner` is NULL when nothing answered; err says why (no address, refused, timed out). */
typedef void connector_fn(void *arg, const struct address *winner, const struct err *err);

struct connector *connector_new(struct loop *loop, struct resolver *resolver,
                                const struct config *config);

/* Before the resolver is freed. Attempts end with it without a call, and must not be used again. */
void connector_free(struct connector *connector);
void connector_reload(struct connector *connector, const struct config *config);

/* Queues for a slot, resolves, races. Calls `fn` once, never before returning. The slot is held
 * until connector_end, which the caller owes in every case: when its handshake is over (won or
 * lost), or at any time before to give up (then fn is not called). */
struct attempt *connector_start(struct connector *connector, enum connector_lane lane,
                                const char *host, uint16_t port, connector_fn *fn, void *arg);
void connector_end(struct attempt *attempt);

/* From inside `fn` and for this attempt's winner only: the connected, non-blocking socket of the
 * race that it won, which becomes the caller's, or -1 where there was no race or another attempt
 * took it. Not taken, it is closed when `fn` returns. */
int connector_take_socket(struct attempt *attempt);

/* The machine may be in another network now: what was learned about addresses is forgotten. */
void connector_forget_all(struct connector *connector);

/* The handshake through the winner of this attempt failed: nobody is sent there without a race any
 * more, which tries it last. Another address that has won meanwhile stays. connector_end follows.
 */
void connector_failed(struct attempt *attempt);

#endif
