/* The host of a request as a Host header and what proxies write in its place have it, host[:port],
 * and whose name it is. Pure. */
#ifndef DOORBELL_WEB_TOLD_HOST_H
#define DOORBELL_WEB_TOLD_HOST_H

#include <stdbool.h>
#include <stddef.h>

enum { TOLD_HOST_SIZE = 264 }; /* a name of 253 characters, a colon and a port */

/* Takes host[:port] in lower case, without a port that says nothing; false where it is none: what
 * else stands in a Host header never gets any further. */
bool told_host_take(char host[TOLD_HOST_SIZE], const char *text);
/* How long the name or address in front of a port is; 0: it is none. */
size_t told_host_name_length(const char *text);
bool told_host_port_is_good(const char *port);

/* The others take what told_host_take leaves. The name without the port and an address's brackets.
 */
void told_host_name(char name[TOLD_HOST_SIZE], const char *host);
/* It leads to whoever asks. */
bool told_host_is_of_this_machine(const char *host);
/* It is localhost, a name without a dot or no public address: it leads nowhere from outside. */
bool told_host_is_local(const char *host);
/* Or it ends as names do that home networks, clusters and private networks give. */
bool told_host_is_of_this_network(const char *host);

#endif
