/*
 * Asks the libinjection inside of ModSecurity for its verdicts, or how long it takes for them.
 *
 * Reads requests until the end of stdin, each answered on stdout before the next is read. All numbers are in the order of
 * the machine. A request: four u32: what is wanted (0 verdicts, 1 the time of sqli, 2 the time of xss), how often the values are
 * gone through (for times), how many values follow, their bytes together; then for each value a u32 with its length, and the value.
 * The answer with verdicts: ten bytes for each value: sqli, the fingerprint padded to eight bytes, xss. With a time: a u64, in ns.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int libinjection_sqli(const char *value, size_t length, char fingerprint[]);
int libinjection_xss(const char *value, size_t length);

/* The library may look behind a value; there it finds NULs, as behind a std::string. */
#define PADDING 64

struct value {
    const char *start;
    size_t length;
};

static volatile int sink;

static void must_read(void *to, size_t length) {
    if (length > 0 && fread(to, 1, length, stdin) != length) {
        exit(2);
    }
}

static void answer_verdicts(const struct value *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        char answer[10] = {0};
        char fingerprint[16] = {0};
        answer[0] = (char)libinjection_sqli(values[i].start, values[i].length, fingerprint);
        memcpy(answer + 1, fingerprint, 8);
        answer[9] = (char)libinjection_xss(values[i].start, values[i].length);
        fwrite(answer, 1, sizeof answer, stdout);
    }
}

static void answer_time(uint32_t wanted, uint32_t rounds, const struct value *values, uint32_t count) {
    struct timespec start, end;
    int found = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < count; i++) {
            char fingerprint[16];
            found += wanted == 1 ? libinjection_sqli(values[i].start, values[i].length, fingerprint)
                                 : libinjection_xss(values[i].start, values[i].length);
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    sink = found;
    uint64_t ns = (uint64_t)(end.tv_sec - start.tv_sec) * 1000000000u + (uint64_t)end.tv_nsec - (uint64_t)start.tv_nsec;
    fwrite(&ns, sizeof ns, 1, stdout);
}

int main(void) {
    uint32_t head[4];
    while (fread(head, sizeof head, 1, stdin) == 1) {
        uint32_t count = head[2];
        struct value *values = calloc((size_t)count + 1, sizeof *values);
        char *bytes = calloc(1, (size_t)head[3] + (size_t)count * PADDING + 1);
        if (values == NULL || bytes == NULL) {
            return 3;
        }
        char *next = bytes;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t length;
            must_read(&length, sizeof length);
            must_read(next, length);
            values[i].start = next;
            values[i].length = length;
            next += length + PADDING;
        }
        if (head[0] == 0) {
            answer_verdicts(values, count);
        } else {
            answer_time(head[0], head[1], values, count);
        }
        fflush(stdout);
        free(values);
        free(bytes);
    }
    return 0;
}
