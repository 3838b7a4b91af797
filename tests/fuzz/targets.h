#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace thaw::fuzz {

using Bytes = std::span<const std::uint8_t>;

// Every target takes what a stranger could hand to thaw and runs the code that meets it. Good input must give a sound
// value and bad input an `Error` of one printable sentence; a crash, a leak, another exception, a broken promise
// (`require`) or more time than the limit is a find.

void image(Bytes bytes);       ///< photo files
void archive(Bytes bytes);     ///< .tgz and .tar files of photos
void h5(Bytes bytes);          ///< HDF5 files through `h5::Reader`, everything that is in them
void weights(Bytes bytes);     ///< weight files, Keras' and thaw's, for a model of four layers
void checkpoint(Bytes bytes);  ///< checkpoints, with the checksum that they have and with the right one
void split(Bytes bytes);       ///< --split
void selector(Bytes bytes);    ///< --unfreeze
void problem(Bytes bytes);     ///< the text form of convolution problems
void settings(Bytes bytes);    ///< settings.json of a run to resume
void grid(Bytes bytes);        ///< grids of experiments in TOML

/// A target and its name, which is also that of its folder in `tests/fuzz/corpus`.
struct Target {
  std::string_view name;
  void (*run)(Bytes);
};
std::span<const Target> targets();
/// The target of that name; ends the process with a sentence where there is none.
const Target& target(std::string_view name);

/// Ends the process with `promise` where it does not hold.
void require(bool holds, std::string_view promise);

/// Runs `work`. An `Error` is an answer, and must be a sentence that a terminal can be shown.
void expect_answer(const std::function<void()>& work);

/// The same for what a person typed, which may come back as it was.
void expect_typed_answer(const std::function<void()>& work);

/// A folder in memory, of this process, emptied with `clear`.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Writes a file and returns its path.
  std::filesystem::path put(const std::string& name, Bytes bytes) const;
  void clear() const;

 private:
  std::filesystem::path path_;
};

inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace thaw::fuzz
