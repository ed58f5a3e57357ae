// SPDX-License-Identifier: Apache-2.0
//
// Preloaded into QEMU where it maps a template privately. QEMU 7.2 opens a memory file for writing even for a private
// mapping, and a private write into a hole of the file allocates the page in the file's cache as well as in the process.
// So: the template, known as descriptor DORMOUSE_TEMPLATE_FD, is opened read-only, and where it is mapped, anonymous memory
// is put over its holes.

#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kHoleBytesMin = 256 * 1024, kPageBytes = 4096 };

static int template_fd = -1;
static char template_path[64];
static struct stat template_status;

__attribute__((constructor)) static void find_template(void) {
  const char* const text = getenv("DORMOUSE_TEMPLATE_FD");
  if (text && *text) {
    template_fd = atoi(text);
    if (fstat(template_fd, &template_status) != 0) {
      _exit(125);
    }
    snprintf(template_path, sizeof template_path, "/proc/self/fd/%d", template_fd);
  }
}

static int open_any(const char* name, const char* path, int flags, mode_t mode) {
  if (template_fd >= 0 && strcmp(path, template_path) == 0) {
    return fcntl(template_fd, F_DUPFD_CLOEXEC, 0);  // the read-only description that we were given
  }
  int (*real)(const char*, int, ...) = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, name);
  return real(path, flags, mode);
}

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_any("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_any("open64", path, flags, mode);
}

// What open() becomes in a program that is compiled with _FORTIFY_SOURCE.
int __open_2(const char* path, int flags) { return open_any("__open_2", path, flags, 0); }
int __open64_2(const char* path, int flags) { return open_any("__open64_2", path, flags, 0); }

// Puts anonymous memory over the holes of [offset, offset + length), which is mapped at `address`.
static int cover_holes(char* address, size_t length, off_t offset, int protection, int fd) {
  const off_t end = offset + (off_t)length;
  off_t at = offset;
  while (at < end) {
    off_t hole = lseek(fd, at, SEEK_HOLE);
    if (hole < 0 || hole >= end) {
      return 0;
    }
    off_t data = lseek(fd, hole, SEEK_DATA);
    if (data < 0) {
      if (errno != ENXIO) {
        return -1;
      }
      data = end;
    }
    if (data > end) {
      data = end;
    }
    hole = (hole + kPageBytes - 1) & ~(off_t)(kPageBytes - 1);
    data &= ~(off_t)(kPageBytes - 1);
    if (data - hole >= kHoleBytesMin &&
        mmap(address + (hole - offset), (size_t)(data - hole), protection,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED) {
      return -1;
    }
    at = data > at ? data : at + kPageBytes;
  }
  return 0;
}

static void* mmap_any(const char* name, void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  void* (*real)(void*, size_t, int, int, int, off_t) =
      (void* (*)(void*, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, name);
  char* const mapped = real(address, length, protection, flags, fd, offset);
  struct stat status;
  if (mapped == MAP_FAILED || template_fd < 0 || fd < 0 || !(flags & MAP_PRIVATE) || fstat(fd, &status) != 0 ||
      status.st_dev != template_status.st_dev || status.st_ino != template_status.st_ino) {
    return mapped;
  }
  if (cover_holes(mapped, length, offset, protection, fd) != 0) {
    munmap(mapped, length);
    return MAP_FAILED;
  }
  return mapped;
}

void* mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  return mmap_any("mmap", address, length, protection, flags, fd, offset);
}

void* mmap64(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
  return mmap_any("mmap64", address, length, protection, flags, fd, offset);
}
