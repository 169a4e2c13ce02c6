#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "base/user.h"
#include "config/internal.h"

enum { CHUNK_SIZE = 4096 };

static int fail_file(const char *path, struct err *err)
{
    if (errno == EISDIR)
        return err_set(err, ERR_IO,
                       "%s: it is a folder; container engines make one where the file to mount is "
                       "missing",
                       path);
    if (errno == EACCES && file_is_fenced_off(path))
        return err_set(err, ERR_NOT_NOW,
                       "%s: this server has walled itself in without the folder of this file, "
                       "which was not there when it started; restart it (docs/sandbox.md)",
                       path);
    return err_set(err, ERR_IO, "%s: it cannot be read (%s)", path, strerror(errno));
}

static bool ends_in(const char *path, const char *ending)
{
    size_t length = strlen(path), least = strlen(ending);
    return length > least && strcmp(path + length - least, ending) == 0;
}

/* A table, or a name with = behind it, where YAML has a colon. */
static bool is_line_of_toml(const char *line)
{
    if (*line == '[')
        return true;
    const char *behind = line + strcspn(line, ":=\n");
    return *behind == '=' && behind > line;
}

/* By the first line that says something. */
static bool is_text_of_toml(const char *text)
{
    text += text_starts(text, "\xef\xbb\xbf") ? 3 : 0;
    for (;;) {
        text += strspn(text, " \t\r\n");
        if (*text != '#')
            return is_line_of_toml(text);
        text += strcspn(text, "\n");
    }
}

static int open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && user_enter(path)) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        user_leave();
    }
    return fd;
}

bool config_file_is_toml(const char *path)
{
    struct stat status;
    if (ends_in(path, ".toml"))
        return true;
    if (ends_in(path, ".yaml") || ends_in(path, ".yml") || stat(path, &status) != 0 ||
        !S_ISREG(status.st_mode)) /* of a pipe nothing would be left to read */
        return false;
    char text[CHUNK_SIZE + 1];
    int fd = open_file(path);
    ssize_t length = fd >= 0 ? read(fd, text, CHUNK_SIZE) : -1;
    if (fd >= 0)
        close(fd);
    text[length > 0 ? length : 0] = '\0';
    bool is_toml = is_text_of_toml(text);
    sodium_memzero(text, sizeof text); /* there may be a key in it */
    return is_toml;
}

/* Stops soon after CONFIG_FILE_MAX, so that whoever reads the content sees that it is too large. */
static int read_all(int fd, const char *path, struct buf *content, struct err *err)
{
    char chunk[CHUNK_SIZE];
    while (content->length <= CONFIG_FILE_MAX) {
        ssize_t length = read(fd, chunk, sizeof chunk);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return fail_file(path, err);
        if (length == 0)
            return 0;
        buf_add(content, chunk, (size_t)length);
        sodium_memzero(chunk, (size_t)length);
    }
    return 0;
}

int config_read_file(struct config *config, const char *path, config_reader *read, struct err *err)
{
    int fd = open_file(path);
    if (fd < 0)
        return fail_file(path, err);
    struct buf content;
    buf_init(&content, CONFIG_FILE_MAX + CHUNK_SIZE);
    int result = read_all(fd, path, &content, err);
    close(fd);
    config_note_file(config, path);
    if (result == 0)
        result = read(config, path, content.bytes, content.length, err);
    if (content.length) /* there may be a key in it */
        sodium_memzero(content.bytes, content.length);
    buf_fini(&content);
    return result;
}
