/* settings: the archive's folders and its writer, from the configuration. */
#pragma once

#include "base/file.h"
#include "stage/stage.h"
#include "writer.h"

struct archive_paths {
    char root[PATH_BYTES]; /* "<data_root>/ofi_cvd" */
    char deadletter_root[PATH_BYTES], checkpoint_path[PATH_BYTES], temp_folder[PATH_BYTES];
};

/* writer_settings: fills both; the settings borrow the paths and the stage's texts. */
void writer_settings(struct stage *stage, struct archive_paths *out_paths,
                     struct writer_config *out_settings);
