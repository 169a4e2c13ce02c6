/* Why TLS with a messenger's server came to nothing, in words that are the same on every road. What
 * a failed SSL has to tell is read off it before it is freed; nothing is owned here. Pure but for
 * the callback that tls_fault_watch sets. */
#ifndef DOORBELL_NET_TLS_FAULT_H
#define DOORBELL_NET_TLS_FAULT_H

#include <openssl/ssl.h>
#include <stddef.h>

enum tls_fault {
    TLS_FAULT_CUT_OFF,   /* the connection ended during the handshake: no word about TLS */
    TLS_FAULT_HANDSHAKE, /* the certificate or the handshake; no TLS on this port */
    TLS_FAULT_UNTIMELY,  /* the certificate is not valid yet, or no more */
};

/* What a handshake ends in that runs into its deadline, like TLS_FAULT_CUT_OFF. */
#define TLS_FAULT_LATE "no answer to the TLS handshake in time"

/* Has every connection of this context remember its last alert, in SSL_get_app_data, which nobody
 * else may use. Without it alerts are not told. */
void tls_fault_watch(SSL_CTX *tls);

/* After the handshake failed: a part of a sentence, without a full stop. */
enum tls_fault tls_fault_of_handshake(const SSL *ssl, char *text, size_t size);

/* The last alert in words, whoever sent it, but for those that only end a connection in order; NULL
 * where there was none. */
const char *tls_fault_alert(const SSL *ssl);

#endif
