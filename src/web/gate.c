#include "web/gate.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { KEY_SIZE = 9 };

struct gate_network {
    struct map_node node;
    uint8_t key[KEY_SIZE];
    size_t inside;
};

void gate_init(struct gate *gate)
{
    memset(gate, 0, sizeof *gate);
    map_init(&gate->networks);
}

void gate_fini(struct gate *gate)
{
    map_fini(&gate->networks);
}

static bool has_key(const struct map_node *node, const void *key)
{
    return memcmp(map_owner(node, const struct gate_network, node)->key, key, KEY_SIZE) == 0;
}

static struct gate_network *find(const struct gate *gate, const uint8_t key[KEY_SIZE])
{
    uint64_t hash = map_hash(&gate->networks, key, KEY_SIZE);
    struct map_node *node = map_find(&gate->networks, hash, has_key, key);
    return node ? map_owner(node, struct gate_network, node) : NULL;
}

enum gate_answer gate_ask(const struct gate *gate, const struct address *peer)
{
    if (!proxies_trust(gate->proxies, peer)) {
        uint8_t key[KEY_SIZE];
        address_limit_key(key, peer);
        const struct gate_network *network = find(gate, key);
        if (network && network->inside >= gate->most_per_network)
            return GATE_NETWORK_FULL;
    }
    return gate->inside < gate->most ? GATE_OPEN : GATE_FULL;
}

void gate_enter(struct gate *gate, const struct address *peer, struct gate_pass *pass)
{
    gate->inside++;
    pass->network = NULL;
    if (proxies_trust(gate->proxies, peer))
        return;
    uint8_t key[KEY_SIZE];
    address_limit_key(key, peer);
    struct gate_network *network = find(gate, key);
    if (!network) {
        network = mem_new(sizeof *network);
        memcpy(network->key, key, KEY_SIZE);
        map_add(&gate->networks, &network->node, map_hash(&gate->networks, key, KEY_SIZE));
    }
    network->inside++;
    pass->network = network;
}

void gate_leave(struct gate *gate, struct gate_pass *pass)
{
    gate->inside--;
    struct gate_network *network = pass->network;
    pass->network = NULL;
    if (!network || --network->inside)
        return;
    map_remove(&gate->networks, &network->node);
    free(network);
}
