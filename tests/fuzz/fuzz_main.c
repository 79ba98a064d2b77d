/* Runs a fuzz entry over every file of the corpus folders given; fails when there is none. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return 0;
    static uint8_t data[4 << 20];
    size_t n = fread(data, 1, sizeof data, f);
    (void)fclose(f);
    uint8_t *exact = malloc(n ? n : 1); /* exact size, so that a sanitizer sees an over-read */
    if (!exact)
        return 0;
    memcpy(exact, data, n);
    (void)LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 1;
}

int main(int argc, char **argv)
{
    int ran = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
            char path[4096];
            if (e->d_name[0] == '.')
                continue;
            (void)snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            ran += run_file(path);
        }
        if (d)
            (void)closedir(d);
    }
    (void)printf("%d inputs\n", ran);
    return ran > 0 ? 0 : 1;
}
