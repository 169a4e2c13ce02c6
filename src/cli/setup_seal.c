#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/b64.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/setup.h"
#include "config/service.h"
#include "store/seal.h"

/* Where systemd hands a key over to the service there is a place for it outside the store; in a
 * container or a working folder only the operator can tell one. */

enum { UNIT_MAX = 64 * 1024 };

static bool is_handed_over_by(const char *unit)
{
    static char text[UNIT_MAX];
    static const char line[] = "\nLoadCredential=" CONFIG_STORE_CREDENTIAL ":";
    bool is_open;
    long length = file_read(unit, text, sizeof text, &is_open);
    return length > 0 && memmem(text, (size_t)length, line, strlen(line));
}

static bool is_handed_over(void)
{
    if (access("/run/systemd/system", F_OK) != 0) /* the unit may lie there unused */
        return false;
    return is_handed_over_by("/etc/systemd/system/doorbell.service") ||
           is_handed_over_by("/usr/local/lib/systemd/system/doorbell.service") ||
           is_handed_over_by("/usr/lib/systemd/system/doorbell.service");
}

static bool make_key(void)
{
    unsigned char key[SEAL_KEY_SIZE];
    char text[B64_TEXT_SIZE(SEAL_KEY_SIZE) + 1];
    randombytes_buf(key, sizeof key);
    b64_encode(text, key, sizeof key);
    strcat(text, "\n");
    bool made =
        (mkdir(CONFIG_SERVICE_KEY_FOLDER, 0700) == 0 || errno == EEXIST) &&
        file_create(CONFIG_SERVICE_STORE_KEY, text, strlen(text), NULL) != FILE_NOT_REPLACED;
    int reason = errno;
    sodium_memzero(key, sizeof key);
    sodium_memzero(text, sizeof text);
    errno = reason;
    return made;
}

void setup_seal(const struct setup *setup, bool is_sealed)
{
    const struct config *config = setup->config;
    if (is_sealed || geteuid() != 0 || config->store_key_file || config->store_key ||
        !text_starts(config->store_path, CONFIG_SERVICE_FOLDER) || !is_handed_over())
        return;
    if (make_key())
        setup_say("[ok] device passwords will be sealed in the store from the next start on "
                  "(systemctl restart doorbell), with the key " CONFIG_SERVICE_STORE_KEY
                  " that was made: keep it, but not beside the store.");
    else if (errno != EEXIST)
        setup_say("[!!] " CONFIG_SERVICE_STORE_KEY " cannot be made: %s. Device passwords stay in "
                  "the clear in the store.",
                  strerror(errno));
}
