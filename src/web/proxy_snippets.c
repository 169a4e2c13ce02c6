#include "web/proxy_snippets.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

enum { LINES_MAX = 8192 };

const struct proxy_snippet proxy_snippets[] = {
    {"Caddy", NULL,
     "{host} {\n"
     "    reverse_proxy {upstream}\n"
     "}",
     "{host} {\n"
     "    handle_path {path}* {\n"
     "        reverse_proxy {upstream} {\n"
     "            header_up X-Original-URL \"{path}\"\n"
     "        }\n"
     "    }\n"
     "}"},
    {"nginx", "the server block",
     "location / {\n"
     "    proxy_pass http://{upstream}/;\n"
     "    proxy_set_header Host $http_host;\n"
     "    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
     "    proxy_set_header X-Forwarded-Proto $scheme;\n"
     "}",
     "location {path} {\n"
     "    proxy_pass http://{upstream}/;\n"
     "    proxy_set_header Host $http_host;\n"
     "    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
     "    proxy_set_header X-Forwarded-Proto $scheme;\n"
     "    proxy_set_header X-Original-URL {path};\n"
     "}"},
    {"Apache", "the virtual host",
     "# Once: a2enmod proxy_http headers\n"
     "ProxyPreserveHost On\n"
     "ProxyPass / http://{upstream}/\n"
     "RequestHeader set X-Forwarded-Proto \"https\"",
     "# Once: a2enmod proxy_http headers\n"
     "<Location {path}>\n"
     "    ProxyPreserveHost On\n"
     "    ProxyPass http://{upstream}/\n"
     "    RequestHeader set X-Forwarded-Proto \"https\"\n"
     "    RequestHeader set X-Original-URL \"{path}\"\n"
     "</Location>"},
    {"HAProxy", "the backend",
     "mode http\n"
     "option forwardfor\n"
     "http-request set-header X-Forwarded-Proto https\n"
     "server doorbell {upstream}",
     "mode http\n"
     "option forwardfor\n"
     "http-request set-header X-Forwarded-Proto https\n"
     "http-request set-header X-Original-URL {path}\n"
     "http-request replace-path {path}(.*) /\\1\n"
     "server doorbell {upstream}"},
    {"Traefik", "the dynamic configuration",
     "# websecure and letsencrypt: entry point and certificate resolver of the static "
     "configuration\n"
     "http:\n"
     "  routers:\n"
     "    doorbell:\n"
     "      rule: \"Host(`{host}`)\"\n"
     "      entryPoints: [websecure]\n"
     "      tls:\n"
     "        certResolver: letsencrypt\n"
     "      service: doorbell\n"
     "  services:\n"
     "    doorbell:\n"
     "      loadBalancer:\n"
     "        servers:\n"
     "          - url: \"http://{upstream}\"",
     "# websecure and letsencrypt: entry point and certificate resolver of the static "
     "configuration\n"
     "http:\n"
     "  routers:\n"
     "    doorbell:\n"
     "      rule: \"Host(`{host}`) && PathPrefix(`{path}`)\"\n"
     "      entryPoints: [websecure]\n"
     "      tls:\n"
     "        certResolver: letsencrypt\n"
     "      middlewares: [doorbell-path]\n"
     "      service: doorbell\n"
     "  middlewares:\n"
     "    doorbell-path:\n"
     "      stripPrefix:\n"
     "        prefixes: [\"{prefix}\"]\n"
     "  services:\n"
     "    doorbell:\n"
     "      loadBalancer:\n"
     "        servers:\n"
     "          - url: \"http://{upstream}\""},
    {0},
};

const struct proxy_snippet *proxy_snippet_of(const char *server)
{
    for (const struct proxy_snippet *snippet = proxy_snippets; snippet->name; snippet++)
        if (text_starts_nocase(server, snippet->name))
            return snippet;
    return NULL;
}

/* HAProxy has no 404 of its own: it says 503 where it knows no backend. */
const struct proxy_snippet *proxy_snippet_of_silent(int status)
{
    return proxy_snippet_of(status == 404 ? "Traefik" : "HAProxy");
}

/* What a name in braces stands for; its length in the template in `*length`. NULL: it is none. */
static const char *value_of(const char *at, const char *const names[][2], size_t *length)
{
    for (; (*names)[0]; names++) {
        if (!text_starts(at, (*names)[0]))
            continue;
        *length = strlen((*names)[0]);
        return (*names)[1];
    }
    return NULL;
}

char *proxy_snippet_lines(const struct proxy_snippet *snippet, const char *host, const char *path,
                          const char *upstream)
{
    char *prefix = mem_copy(path, strlen(path) - 1);
    const char *const names[][2] = {{"{host}", host},
                                    {"{path}", path},
                                    {"{prefix}", prefix},
                                    {"{upstream}", upstream},
                                    {NULL, NULL}};
    bool below = strcmp(path, "/") != 0;
    struct buf lines;
    buf_init(&lines, LINES_MAX);
    for (const char *at = below ? snippet->below_path : snippet->lines; *at;) {
        size_t length = 1;
        const char *value = *at == '{' ? value_of(at, names, &length) : NULL;
        if (value)
            buf_add_text(&lines, value);
        else
            buf_add(&lines, at, 1);
        at += length;
    }
    char *text = mem_copy((const char *)lines.bytes, lines.length);
    buf_fini(&lines);
    free(prefix);
    return text;
}
