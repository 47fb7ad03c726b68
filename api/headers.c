/* What is decided from the request line and the headers alone, before a byte of a body is taken. */
#include "api/headers.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *header(const struct request *q, const char *name)
{
    return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

/* localhost or an address: any other name may be DNS rebinding by a web page. */
static bool is_own_host(const char *host)
{
    char name[64];
    size_t len = strlen(host);
    const char *colon = strrchr(host, ':');
    struct in6_addr v6;
    struct in_addr v4;

    if (host[0] == '[') {
        const char *end = strchr(host, ']');

        if (!end || end - host - 1 >= (long)sizeof(name) || (end[1] && end[1] != ':'))
            return false;
        memcpy(name, host + 1, (size_t)(end - host - 1));
        name[end - host - 1] = '\0';
        return inet_pton(AF_INET6, name, &v6) == 1;
    }
    if (colon)
        len = (size_t)(colon - host);
    if (len >= sizeof(name))
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    return !strcasecmp(name, "localhost") || inet_pton(AF_INET, name, &v4) == 1;
}

static bool is_media(const char *type, const char *wanted)
{
    size_t len = strlen(wanted);

    return !strncasecmp(type, wanted, len) && (!type[len] || strchr("; \t", type[len]));
}

static int check_body(const struct request *q, unsigned *ret_status, struct orb_err *err)
{
    const char *length = header(q, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const char *type = header(q, MHD_HTTP_HEADER_CONTENT_TYPE);
    bool chunked = header(q, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
    bool has_body = chunked || (length && strcmp(length, "0"));

    if (!has_body)
        return q->route->flags & ROUTE_BODY
                   ? orb_fail(err, ORB_E_INVALID, "%s needs a JSON body", q->method)
                   : 0;
    if (!(q->route->flags & (ROUTE_BODY | ROUTE_MAY_BODY)))
        return orb_fail(err, ORB_E_INVALID, "%s takes no body here", q->method);
    if (!type ||
        !(is_media(type, "application/json") ||
          (!strcmp(q->method, "PATCH") && is_media(type, "application/merge-patch+json")))) {
        *ret_status = 415;
        return orb_fail(err, ORB_E_INVALID,
                        "expected Content-Type: application/json%s; got \"%.60s\"",
                        strcmp(q->method, "PATCH") ? "" : " or application/merge-patch+json",
                        type ? type : "none");
    }
    if (length && (strlen(length) > 9 || atol(length) > (long)API_BODY_MAX))
        return orb_fail(err, ORB_E_LIMIT, "the body has %.20s bytes; at most %u are taken", length,
                        API_BODY_MAX);
    return 0;
}

int headers_check(struct request *q, unsigned *ret_status, char ret_allow[64], struct orb_err *err)
{
    const char *host = header(q, MHD_HTTP_HEADER_HOST);
    int r;

    *ret_status = 0;
    ret_allow[0] = '\0';
    if (host && !is_own_host(host)) {
        *ret_status = 421;
        return orb_fail(err, ORB_E_INVALID,
                        "this API answers to localhost and to addresses; got Host: %.80s", host);
    }
    r = url_parse(q->raw ? q->raw : "", &q->url, err);
    if (r == ORB_E_LIMIT)
        *ret_status = 414;
    if (r < 0)
        return r;
    r = route_find(&q->url, q->method, &q->route, &q->first, ret_allow, err);
    if (r == ROUTE_WRONG_METHOD)
        *ret_status = 405;
    if (r > 0)
        return err->code;
    if (r < 0)
        return r;
    if (header(q, MHD_HTTP_HEADER_IF_MATCH))
        return orb_fail(err, ORB_E_INVALID,
                        "If-Match is not supported; commit detects conflicting changes");
    return check_body(q, ret_status, err);
}

int headers_token(const struct request *q, char ret_token[API_TOKEN + 1], struct orb_err *err)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *value = header(q, MHD_HTTP_HEADER_AUTHORIZATION);

    if (!value)
        return orb_fail(err, ORB_E_UNAUTHENTICATED,
                        "expected the header Authorization: Bearer TOKEN; make a token with "
                        "`orbctl token create NAME ROLE`");
    if (strncasecmp(value, "Bearer ", 7))
        return orb_fail(err, ORB_E_UNAUTHENTICATED, "expected Authorization: Bearer TOKEN");
    value += 7 + strspn(value + 7, " ");
    if (strlen(value) != API_TOKEN || strncmp(value, "orb_", 4) ||
        strspn(value + 4, alphabet) != API_TOKEN - 4)
        return orb_fail(err, ORB_E_UNAUTHENTICATED,
                        "a token is \"orb_\" and %d letters, digits, - or _", API_TOKEN - 4);
    memcpy(ret_token, value, API_TOKEN + 1);
    return 0;
}
