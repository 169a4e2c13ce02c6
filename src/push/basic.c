#include "push/basic.h"

#include <sodium.h>
#include <string.h>

#include "base/mem.h"

enum { LEAST = 4 /* shorter words tell nothing, and stand in many others */ };

/* User name, colon, password, as they are meant, and the lengths of both. */
struct login {
    char text[URL_MAX + 2];
    size_t user, password;
};

static int digit_of(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)((found - digits) % 16) : -1;
}

/* What is no pair of digits behind "%" stays as it is. */
static size_t decode(char *to, const char *from, size_t length)
{
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        bool is_encoded = from[i] == '%' && i + 2 < length && digit_of(from[i + 1]) >= 0 &&
                          digit_of(from[i + 2]) >= 0;
        to[written++] =
            is_encoded ? (char)(digit_of(from[i + 1]) * 16 + digit_of(from[i + 2])) : from[i];
        i += is_encoded ? 2 : 0;
    }
    return written;
}

static bool read_login(struct login *login, const struct url *endpoint)
{
    const char *text = endpoint->userinfo;
    if (!text || strlen(text) > URL_MAX)
        return false;
    size_t user = strcspn(text, ":");
    login->user = decode(login->text, text, user);
    login->text[login->user] = ':';
    text += text[user] ? user + 1 : user;
    login->password = decode(login->text + login->user + 1, text, strlen(text));
    return true;
}

bool basic_header(const struct url *endpoint, char header[BASIC_HEADER_SIZE])
{
    struct login login;
    if (!endpoint->userinfo || !read_login(&login, endpoint))
        return false;
    memcpy(header, "Basic ", sizeof "Basic ");
    b64_encode(header + strlen("Basic "), login.text, login.user + 1 + login.password);
    sodium_memzero(&login, sizeof login);
    return true;
}

static bool has(const void *bytes, size_t length, const char *word, size_t size)
{
    return size >= LEAST && memmem(bytes, length, word, size);
}

bool basic_is_named(const struct url *endpoint, const void *bytes, size_t length)
{
    struct login login;
    char header[BASIC_HEADER_SIZE];
    if (!bytes || !basic_header(endpoint, header) || !read_login(&login, endpoint))
        return false;
    const char *word = header + strlen("Basic "), *written = endpoint->userinfo;
    size_t user = strcspn(written, ":");
    bool named =
        has(bytes, length, word, strlen(word)) || has(bytes, length, login.text, login.user) ||
        has(bytes, length, login.text + login.user + 1, login.password) ||
        has(bytes, length, written, user) ||
        (written[user] && has(bytes, length, written + user + 1, strlen(written + user + 1)));
    sodium_memzero(&login, sizeof login);
    sodium_memzero(header, sizeof header);
    return named;
}
