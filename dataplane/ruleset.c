/* Wraps libnftables. It is loaded at run time when the data plane opens: it needs libnftnl, libmnl,
 * gmp and a parser, and workers use the same binary. */
#include "dataplane/ruleset.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <malloc.h>
#include <string.h>
#include <sys/socket.h>

#include <nftables/libnftables.h>

#include "core/base/own.h"
#include "core/base/xalloc.h"
#include "dataplane/attribute.h"
#include "dataplane/dataplane_internal.h"

#define RULESET_LIBRARY "libnftables.so.1"
#define LARGE_TEXT (256 << 10) /* bytes; libnftables takes a hundred times as many meanwhile */

struct ruleset {
    void *library;
    struct nft_ctx *(*ctx_new)(uint32_t flags);
    void (*ctx_free)(struct nft_ctx *ctx);
    void (*set_dry_run)(struct nft_ctx *ctx, bool dry);
    int (*buffer_output)(struct nft_ctx *ctx);
    int (*buffer_error)(struct nft_ctx *ctx);
    const char *(*get_output)(struct nft_ctx *ctx);
    const char *(*get_error)(struct nft_ctx *ctx);
    int (*run)(struct nft_ctx *ctx, const char *text);
};

int ruleset_open(struct ruleset **ret_ruleset, struct orb_err *err)
{
    struct ruleset *r = xcalloc(1, sizeof(*r));
    const struct {
        const char *name;
        void *to; /* where the function's address is stored */
    } symbols[] = {{"nft_ctx_new", &r->ctx_new},
                   {"nft_ctx_free", &r->ctx_free},
                   {"nft_ctx_set_dry_run", &r->set_dry_run},
                   {"nft_ctx_buffer_output", &r->buffer_output},
                   {"nft_ctx_buffer_error", &r->buffer_error},
                   {"nft_ctx_get_output_buffer", &r->get_output},
                   {"nft_ctx_get_error_buffer", &r->get_error},
                   {"nft_run_cmd_from_buffer", &r->run}};

    r->library = dlopen(RULESET_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!r->library) {
        orb_fail(err, ORB_E_UNAVAILABLE, "the firewall needs %s (Debian: libnftables1): %s",
                 RULESET_LIBRARY, dlerror());
        ruleset_close(r);
        return ORB_E_UNAVAILABLE;
    }
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        void *address = dlsym(r->library, symbols[i].name);

        if (!address) {
            orb_fail(err, ORB_E_UNAVAILABLE, "%s has no %s", RULESET_LIBRARY, symbols[i].name);
            ruleset_close(r);
            return ORB_E_UNAVAILABLE;
        }
        memcpy(symbols[i].to, &address, sizeof(address));
    }
    *ret_ruleset = r;
    return 0;
}

void ruleset_close(struct ruleset *ruleset)
{
    if (!ruleset)
        return;
    if (ruleset->library)
        dlclose(ruleset->library);
    free(ruleset);
}

/* What thousands of rules took would stay with this process for good. */
static void give_back(size_t text)
{
    if (text >= LARGE_TEXT)
        malloc_trim(0);
}

/* A context for each call: one that failed keeps a stale cache. */
static struct nft_ctx *open_context(struct ruleset *ruleset)
{
    struct nft_ctx *ctx = ruleset->ctx_new(NFT_CTX_DEFAULT);

    if (!ctx)
        return NULL;
    if (ruleset->buffer_output(ctx) || ruleset->buffer_error(ctx)) {
        ruleset->ctx_free(ctx);
        return NULL;
    }
    return ctx;
}

int ruleset_run(struct ruleset *ruleset, const char *text, bool dry, struct orb_err *err)
{
    struct nft_ctx *ctx = open_context(ruleset);
    int r = 0;

    if (!ctx)
        return orb_fail(err, ORB_E_KERNEL, "nftables cannot be reached");
    ruleset->set_dry_run(ctx, dry);
    if (ruleset->run(ctx, text)) {
        const char *why = ruleset->get_error(ctx);

        r = orb_fail(err, ORB_E_KERNEL, "nftables refused the rules: %.300s", why ? why : "");
    }
    ruleset->ctx_free(ctx);
    give_back(strlen(text));
    return r;
}

int ruleset_list(struct ruleset *ruleset, const char *command, struct buf *ret_text)
{
    struct nft_ctx *ctx = open_context(ruleset);

    if (!ctx)
        return ORB_E_KERNEL;
    if (!ruleset->run(ctx, command))
        buf_adds(ret_text, ruleset->get_output(ctx));
    ruleset->ctx_free(ctx);
    give_back(ret_text->len);
    return 0;
}

uint32_t ruleset_id(void)
{
    struct {
        struct nlmsghdr h;
        struct nfgenmsg head;
    } request = {.h = {.nlmsg_len = sizeof(request),
                       .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN,
                       .nlmsg_flags = NLM_F_REQUEST},
                 .head = {.version = NFNETLINK_V0}};
    char data[4096] __attribute__((aligned(8)));
    const struct nlmsghdr *h = (void *)data;
    const char *start = (const char *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(struct nfgenmsg));
    AUTO_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    uint32_t id = 0;
    ssize_t n;

    if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0)
        return 0;
    n = recv(fd, data, sizeof(data), 0);
    if (n < 0 || !NLMSG_OK(h, (unsigned)n) ||
        h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)) ||
        h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN))
        return 0;
    EACH_ATTRIBUTE(a, start, (size_t)(data + h->nlmsg_len - start))
    {
        if (attribute_type(a) == NFTA_GEN_ID && attribute_size(a) >= sizeof(id))
            memcpy(&id, attribute_data(a), sizeof(id));
    }
    return ntohl(id);
}
