// Folders that a test makes and removes. The program defines _XOPEN_SOURCE 700 before anything is included.

#ifndef FOLDER_H
#define FOLDER_H

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static inline int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where) {
    (void)status, (void)kind, (void)where;
    return remove(path);
}

// Makes the folder that a template names, see mkdtemp.
static inline void make_folder(char *template_) {
    if (!CHECK(mkdtemp(template_) != NULL)) exit(1);
}

static inline void remove_folder(const char *folder) {
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

// A path in a folder.
struct path {
    char text[512];
};

static inline struct path in(const char *folder, const char *name) {
    struct path path;
    snprintf(path.text, sizeof path.text, "%s/%s", folder, name);
    return path;
}

#endif
