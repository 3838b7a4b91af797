#pragma once

#include <filesystem>
#include <functional>

namespace thaw {

/// Runs `read` in a forked child first. HDF5 1.10 crashes or loops on some damaged or crafted files (e.g. a bad index
/// into the heap of variable-length strings), which no check through its own interface can foresee; the child takes
/// that risk, under a limit of CPU time: `cpu_seconds` and one for each 20 MB. What `read` throws or returns is
/// ignored. Throws `Error` (data) naming the file if the child died; the caller must then not touch the file.
void rehearse(const std::filesystem::path& path, const std::function<void()>& read, unsigned cpu_seconds = 5);

}  // namespace thaw
