/* core/ipc/frame.c: the header, byte for byte. */
#include <string.h>

#include "core/base/own.h"
#include "core/ipc/frame.h"
#include "test/lib/harness.h"

TEST(a_header_is_24_little_endian_bytes)
{
    static const unsigned char bytes[FRAME_HEADER] = {
        0x06, 0x05, 0x01, 0x00, 0x02, 0x01, 0x05, 0x00, 0x44, 0x33, 0x22, 0x11,
        0x88, 0x77, 0x66, 0x55, 0xcc, 0xbb, 0xaa, 0x99, 0x10, 0x20, 0x30, 0x40};
    const struct frame frame = {.len = 0x10506,
                                .envlen = 0x102,
                                .type = FRAME_REQ,
                                .handle = 0x11223344,
                                .corr = 0x55667788,
                                .src = 0x99aabbcc,
                                .deadline_ms = 0x40302010};
    unsigned char to[FRAME_HEADER];
    struct frame back;

    frame_put(to, &frame);
    ck_assert_mem_eq(to, bytes, FRAME_HEADER);
    ck_assert_int_eq(frame_get(to, FRAME_HEADER, &back, NULL), FRAME_MORE);
    ck_assert_mem_eq(&back, &frame, sizeof(frame));
}

TEST(a_frame_is_whole_only_with_its_last_byte)
{
    unsigned char data[FRAME_HEADER + 10] = {0};
    struct frame frame = {.len = 10, .envlen = 4, .type = FRAME_LOG}, back;

    frame_put(data, &frame);
    for (size_t len = 0; len < sizeof(data); len++) {
        ck_assert_int_eq(frame_get(data, len, &back, NULL), FRAME_MORE);
        ck_assert_uint_eq(back.len, len < FRAME_HEADER ? 0 : 10);
    }
    ck_assert_int_eq(frame_get(data, sizeof(data), &back, NULL), 0);
}

TEST(headers_out_of_bounds_are_refused_with_the_limit)
{
    static const struct {
        struct frame frame;
        const char *words;
    } rows[] = {
        {{.type = 0}, "type 0 is not known"},
        {{.type = FRAME_TYPES}, "types are 1 to 25"},
        {{.type = 255}, "type 255"},
        {{.type = FRAME_REQ, .flags = 1}, "flags are 0x01"},
        {{.type = FRAME_REQ, .len = FRAME_MAX + 1}, "262145 is over the limit of 262144"},
        {{.type = FRAME_REQ, .len = 0xffffffff}, "over the limit"},
        {{.type = FRAME_REQ, .len = 5000, .envlen = 4097}, "4097 is over the limit of 4096"},
        {{.type = FRAME_REQ, .len = 3, .envlen = 4}, "over the frame's length of 3"},
    };
    unsigned char data[FRAME_HEADER];
    struct frame back;
    struct orb_err err;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        frame_put(data, &rows[i].frame);
        ck_assert_int_eq(frame_get(data, sizeof(data), &back, &err), ORB_E_PROTOCOL);
        ck_assert_msg(strstr(err.text, rows[i].words) != NULL, "%s", err.text);
    }
    frame_put(data, &(struct frame){.type = FRAME_REQ, .len = FRAME_MAX, .envlen = 4096});
    ck_assert_int_eq(frame_get(data, sizeof(data), &back, &err), FRAME_MORE);
}

TEST(every_type_has_a_name)
{
    for (unsigned i = 1; i < FRAME_TYPES; i++)
        ck_assert_ptr_nonnull(frame_type_name(i));
    ck_assert_str_eq(frame_type_name(FRAME_GONE), "GONE");
    ck_assert_str_eq(frame_type_name(FRAME_TYPES), "unknown");
    ck_assert_str_eq(frame_type_name(0), "unknown");
}
