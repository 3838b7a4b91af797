#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "app/session.h"
#include "app/terminal.h"
#include "framework/trainer.h"

namespace thaw {

/// Calls `use` with pieces of at most `batch` of the files: pixels on the device (n,S,S,3) and the index of the first.
/// Shows progress. Throws `Error` (data) naming the first file that is no photo.
void for_each_photo_batch(const Session& session, const std::vector<std::filesystem::path>& files, int batch,
                          int threads, Console& console,
                          const std::function<void(const Tensor& pixels, std::size_t first)>& use);

}  // namespace thaw
