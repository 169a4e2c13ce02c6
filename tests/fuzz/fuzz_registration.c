/* The body of POST /: whatever it is, it is a registration with all its members or a status. */
#include <stdint.h>
#include <stdlib.h>

#include "web/molly_api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct molly_registration read;
    int status = molly_read(&read, data, size);
    if (status != 0) {
        expect(status == 400 || status == 422);
        expect(!read.json);
        return 0;
    }
    const struct registration *registration = &read.registration;
    expect(registration->uuid && registration->password && registration->endpoint);
    expect(registration->device >= 0 && registration->device <= UINT32_MAX);
    expect(!registration->p256dh == !registration->auth);
    expect(registration->client.length == 0); /* never from the body */
    molly_release(&read);
    return 0;
}
