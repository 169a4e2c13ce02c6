#include "web/told_host.h"

#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "net/address.h"

bool told_host_port_is_good(const char *port)
{
    size_t length = strspn(port, "0123456789");
    if (!length || length > 5 || port[length])
        return false;
    long number = strtol(port, NULL, 10);
    return number >= 1 && number <= 65535;
}

size_t told_host_name_length(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    if (text[0] == '.' || text[0] == '-')
        return 0;
    if (text[0] != '[')
        return strspn(text, letters);
    size_t length = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
    return length >= 4 && text[length] == ']' ? length + 1 : 0;
}

/* 80 is https's just as little as 443: a proxy that reaches another by http put it there. */
static bool port_says_nothing(const char *port)
{
    return strcmp(port, "443") == 0 || strcmp(port, "80") == 0;
}

/* The dot that ends a whole name is not in certificates. */
bool told_host_take(char host[TOLD_HOST_SIZE], const char *text)
{
    size_t length = told_host_name_length(text);
    const char *port = text + length + (text[length] == ':');
    if (!length || strlen(text) >= TOLD_HOST_SIZE)
        return false;
    if (text[length] && (text[length] != ':' || !told_host_port_is_good(port)))
        return false;
    if (text[length - 1] == '.')
        length--;
    bool has_port = *port && !port_says_nothing(port);
    snprintf(host, TOLD_HOST_SIZE, "%.*s%s%s", (int)length, text, has_port ? ":" : "",
             has_port ? port : "");
    for (char *c = host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return true;
}

void told_host_name(char name[TOLD_HOST_SIZE], const char *host)
{
    bool bracketed = host[0] == '[';
    host += bracketed;
    snprintf(name, TOLD_HOST_SIZE, "%.*s", (int)strcspn(host, bracketed ? "]" : ":"), host);
}

bool told_host_is_of_this_machine(const char *host)
{
    char name[TOLD_HOST_SIZE];
    struct address address;
    told_host_name(name, host);
    if (address_parse(&address, name, 0) != 0)
        return strcmp(name, "localhost") == 0 || text_ends(name, ".localhost");
    if (address.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
    return ntohl(address.v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* There are certificates for public addresses, too. */
bool told_host_is_local(const char *host)
{
    char name[TOLD_HOST_SIZE];
    struct address address;
    told_host_name(name, host);
    if (address_parse(&address, name, 0) == 0)
        return address_classify(&address, NULL) != ADDRESS_PUBLIC;
    return !strchr(name, '.') || text_ends(name, ".localhost");
}

bool told_host_is_of_this_network(const char *host)
{
    static const char *const endings[] = {".lan",       ".local", ".internal",
                                          ".home.arpa", ".svc",   ".ts.net"};
    char name[TOLD_HOST_SIZE];
    told_host_name(name, host);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (text_ends(name, endings[i]))
            return true;
    return told_host_is_local(host);
}
