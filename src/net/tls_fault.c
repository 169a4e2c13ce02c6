#include "net/tls_fault.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cert_time.h"

static void on_tls_event(const SSL *ssl, int where, int value)
{
    if (where & SSL_CB_ALERT)
        SSL_set_app_data((SSL *)(uintptr_t)ssl, (void *)(intptr_t)value);
}

void tls_fault_watch(SSL_CTX *tls)
{
    SSL_CTX_set_info_callback(tls, on_tls_event);
}

static int last_alert(const SSL *ssl)
{
    return (int)(intptr_t)SSL_get_app_data(ssl);
}

/* It answered our first message, and not with a message of TLS. */
static bool speaks_no_tls(const SSL *ssl)
{
    return SSL_get_state(ssl) == TLS_ST_CW_CLNT_HELLO && BIO_number_read(SSL_get_rbio(ssl)) > 0;
}

enum tls_fault tls_fault_of_handshake(const SSL *ssl, char *text, size_t size)
{
    long verdict = SSL_get_verify_result(ssl);
    int alert = last_alert(ssl);
    if (verdict != X509_V_OK) {
        bool untimely = cert_time_is_the_fault(verdict);
        snprintf(text, size, "its certificate is not accepted: %s%s",
                 X509_verify_cert_error_string(verdict),
                 untimely ? "; is this machine's clock right?" : "");
        return untimely ? TLS_FAULT_UNTIMELY : TLS_FAULT_HANDSHAKE;
    }
    /* At an end without a word OpenSSL 3 sends an alert of its own, as if it had got something. */
    if (alert && !BIO_eof(SSL_get_rbio(ssl))) {
        snprintf(text, size, "the TLS handshake failed: %s", SSL_alert_desc_string_long(alert));
        return TLS_FAULT_HANDSHAKE;
    }
    if (speaks_no_tls(ssl)) {
        snprintf(text, size, "there is no TLS on this port");
        return TLS_FAULT_HANDSHAKE;
    }
    snprintf(text, size, "cut off during the TLS handshake");
    return TLS_FAULT_CUT_OFF;
}

const char *tls_fault_alert(const SSL *ssl)
{
    int alert = last_alert(ssl), what = alert & 0xff;
    bool in_order = what == SSL3_AD_CLOSE_NOTIFY || what == TLS1_AD_USER_CANCELLED;
    return alert && !in_order ? SSL_alert_desc_string_long(alert) : NULL;
}
