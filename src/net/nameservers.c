#include "net/nameservers.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "net/address.h"

enum {
    DNS_PORT = 53,
    CSV_MAX = 1000, /* room for twenty or more; c-ares tries one after another */
};

/* "address", "address:port" or "[address]:port" to host and port; false when it is none of them. */
static bool split_nameserver(const char *text, char host[ADDRESS_TEXT_SIZE], long *port)
{
    const char *start = text, *end = text + strlen(text), *rest = "";
    const char *colon = strchr(text, ':');
    if (text[0] == '[') {
        start = text + 1;
        end = strchr(text, ']');
        if (!end)
            return false;
        rest = end + 1;
    } else if (colon && !strchr(colon + 1, ':')) {
        end = rest = colon;
    }
    if (end - start >= ADDRESS_TEXT_SIZE)
        return false;
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = '\0';
    *port = DNS_PORT;
    if (!*rest)
        return true;
    size_t digits = strspn(rest + 1, "0123456789");
    if (rest[0] != ':' || digits == 0 || digits > 5 || rest[1 + digits])
        return false;
    *port = atol(rest + 1);
    return *port >= 1 && *port <= UINT16_MAX;
}

static int add_entry(struct buf *csv, const char *text, struct err *err)
{
    char host[ADDRESS_TEXT_SIZE], shown[ADDRESS_TEXT_SIZE];
    struct address address;
    long port;
    if (!split_nameserver(text, host, &port) || address_parse(&address, host, 0) != 0) {
        text_printable(shown, sizeof shown, text, strlen(text));
        return err_set(err, ERR_INVALID,
                       "net.nameservers: \"%s\" is not an address; write it like 192.0.2.53, "
                       "192.0.2.53:5353 or [2001:db8::53]:53",
                       shown);
    }
    const char *comma = csv->length ? "," : "";
    bool v6 = address.any.sa_family == AF_INET6;
    if (buf_format(csv, v6 ? "%s[%s]:%ld" : "%s%s:%ld", comma, host, port) != 0)
        return err_set(err, ERR_LIMIT, "net.nameservers: these are too many");
    return 0;
}

int nameservers_read(char **csv, const struct strings *entries, struct err *err)
{
    struct buf buf;
    int code = 0;
    *csv = NULL;
    buf_init(&buf, CSV_MAX);
    for (size_t i = 0; i < entries->count && code == 0; i++)
        code = add_entry(&buf, entries->items[i], err);
    if (code == 0 && buf.length)
        *csv = mem_copy((const char *)buf.bytes, buf.length);
    buf_fini(&buf);
    return code;
}
