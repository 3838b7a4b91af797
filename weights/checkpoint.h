#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace thaw {

/// Everything that an exact resume needs, as data: named arrays (parameters, optimizer state) and a text (JSON) with
/// counters and settings. One file: magic, version, text, arrays, and an XXH3 checksum over all of it.
struct Checkpoint {
  std::string text;
  std::map<std::string, std::vector<float>> arrays;
};

/// Written to a temporary name, synced and renamed; the file that was there before is kept as `path` + ".previous".
/// Throws `Error` (failed) naming the file (full disk, with the bytes wanted and free; no permission); the previous
/// checkpoint stays intact.
void write_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);

/// Reads and verifies. A damaged or missing file falls back to the previous one, which `*note` (if given) tells.
/// Throws `Error` (data) where none is sound, saying what was found; start the run again then.
Checkpoint read_checkpoint(const std::filesystem::path& path, std::string* note = nullptr);

}  // namespace thaw
