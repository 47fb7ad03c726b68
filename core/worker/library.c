/* The loader maps files by their program headers; reading a truncated one raises SIGBUS, without
 * any message. So the headers are compared with the file first (elf(5)). */
#include "core/worker/library.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/own.h"

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#else
#error "core/worker/library.c: the ELF number of this processor is missing"
#endif

static const char *machine_name(unsigned machine)
{
    static const struct {
        unsigned machine;
        const char *name;
    } table[] = {{EM_X86_64, "x86-64"},  {EM_AARCH64, "arm64"}, {EM_386, "32-bit x86"},
                 {EM_ARM, "32-bit arm"}, {EM_RISCV, "RISC-V"},  {EM_PPC64, "POWER"},
                 {EM_MIPS, "MIPS"},      {EM_S390, "s390"}};

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].machine == machine)
            return table[i].name;
    return "an unknown processor";
}

static int check_header(const char *name, const ElfW(Ehdr) * h, char *text, size_t size)
{
    if (memcmp(h->e_ident, ELFMAG, SELFMAG)) {
        snprintf(text, size,
                 "%s is no shared object: it does not begin with \"\\x7f"
                 "ELF\"",
                 name);
        return ENOEXEC;
    }
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_machine != OUR_MACHINE ||
        h->e_ident[EI_DATA] != ELFDATA2LSB) {
        snprintf(text, size, "%s was built for %s (%d bit); this machine is %s", name,
                 machine_name(h->e_machine), h->e_ident[EI_CLASS] == ELFCLASS64 ? 64 : 32,
                 machine_name(OUR_MACHINE));
        return ENOEXEC;
    }
    if (h->e_type != ET_DYN || h->e_phentsize != sizeof(ElfW(Phdr))) {
        snprintf(text, size, "%s is an ELF file, but no shared object (link it with -shared)",
                 name);
        return ENOEXEC;
    }
    return 0;
}

static int cut_off(const char *name, uint64_t has, uint64_t needs, char *text, size_t size)
{
    snprintf(text, size,
             "%s is cut off: it has %llu bytes and needs at least %llu; install it again", name,
             (unsigned long long)has, (unsigned long long)needs);
    return ENOEXEC;
}

static int check_segments(int fd, const char *name, const ElfW(Ehdr) * h, uint64_t has, char *text,
                          size_t size)
{
    for (unsigned i = 0; i < h->e_phnum; i++) {
        uint64_t at = h->e_phoff + (uint64_t)i * sizeof(ElfW(Phdr)), end;
        ElfW(Phdr) p;

        if (at + sizeof(p) > has)
            return cut_off(name, has, at + sizeof(p), text, size);
        if (pread(fd, &p, sizeof(p), (off_t)at) != (ssize_t)sizeof(p))
            return cut_off(name, has, at + sizeof(p), text, size);
        if (p.p_type != PT_LOAD)
            continue;
        if (__builtin_add_overflow(p.p_offset, p.p_filesz, &end) || end > has)
            return cut_off(name, has, end, text, size);
    }
    return 0;
}

int library_check(const char *path, char *text, size_t size)
{
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    ElfW(Ehdr) header = {0};
    struct stat st;
    int r;

    if (fd < 0 || fstat(fd, &st) < 0) {
        r = errno;
        snprintf(text, size, "cannot open %s: %s", name, strerror(r));
        return r;
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(text, size, "%s is no regular file", name);
        return ENOEXEC;
    }
    if (pread(fd, &header, sizeof(header), 0) < 0) {
        r = errno;
        snprintf(text, size, "cannot read %s: %s", name, strerror(r));
        return r;
    }
    if (st.st_size < (off_t)sizeof(header) &&
        !memcmp(header.e_ident, ELFMAG, st.st_size < SELFMAG ? (size_t)st.st_size : SELFMAG))
        return cut_off(name, (uint64_t)st.st_size, sizeof(header), text, size);
    r = check_header(name, &header, text, size);
    return r ? r : check_segments(fd, name, &header, (uint64_t)st.st_size, text, size);
}
