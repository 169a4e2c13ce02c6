/* The raw floor of memory: idle websockets on OpenSSL alone, one after the other, blocking.
 * Usage: raw COUNT PORT CA, whatever follows. Says "settled", then waits for the end of its input.
 */
#include <arpa/inet.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char request[] = "GET /v1/websocket/ HTTP/1.1\r\nHost: localhost\r\n"
                              "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
static const char queue_empty[] = "/api/v1/queue/empty";
/* A masked frame (the mask is zero) with a response: id 1, status 200, "OK". */
static const unsigned char answer[] = {0x82, 0x80 + 13, 0,    0,    0,    0,    0x08,
                                       0x02, 0x1a,      0x09, 0x08, 0x01, 0x10, 0xc8,
                                       0x01, 0x1a,      0x02, 'O',  'K'};

static void die(const char *what)
{
    fprintf(stderr, "raw: %s failed\n", what);
    exit(1);
}

static int dial(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    return fd;
}

static void wait_for_queue(SSL *ssl)
{
    char input[2048];
    size_t used = 0;
    while (!memmem(input, used, queue_empty, strlen(queue_empty))) {
        int length = SSL_read(ssl, input + used, (int)(sizeof input - used));
        if (length <= 0)
            die("SSL_read");
        used += (size_t)length;
    }
}

static void open_link(SSL_CTX *tls, unsigned port)
{
    SSL *ssl = SSL_new(tls);
    if (!ssl || SSL_set1_host(ssl, "localhost") != 1 || SSL_set_fd(ssl, dial(port)) != 1)
        die("SSL_new");
    SSL_set_tlsext_host_name(ssl, "localhost");
    if (SSL_connect(ssl) != 1)
        die("SSL_connect");
    if (SSL_write(ssl, request, (int)strlen(request)) <= 0)
        die("SSL_write");
    wait_for_queue(ssl);
    if (SSL_write(ssl, answer, (int)sizeof answer) <= 0)
        die("SSL_write");
    SSL_free_buffers(ssl);
}

static SSL_CTX *make_tls(const char *ca)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls || SSL_CTX_load_verify_file(tls, ca) != 1)
        die("the CA file");
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    return tls;
}

int main(int count, char **words)
{
    struct rlimit limit;
    if (count < 4)
        return 2;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    SSL_CTX *tls = make_tls(words[3]);
    unsigned port = (unsigned)strtoul(words[2], NULL, 10);
    for (unsigned long left = strtoul(words[1], NULL, 10); left; left--)
        open_link(tls, port);
    malloc_trim(0);
    puts("settled");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
