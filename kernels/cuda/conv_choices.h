#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace thaw::cuda {

/// An engine that was chosen for a request.
struct ConvChoice {
  std::string engine;  ///< as in `ConvPlanFacts::engine`
  bool timed = false;  ///< it was the fastest; else the library's heuristics put it first

  bool operator==(const ConvChoice&) const = default;
};

/// The engines chosen for one device and one version of the library, in a file of lines with a digest at its end, so
/// that later runs repeat exactly. A file that is damaged, or about something else, is not used and noted; what it says
/// is a suggestion anyhow, since an engine is only taken where the planner still offers it.
class ConvChoices {
 public:
  /// Reads the file of `device` and `version` in `folder`, where there is one. An empty folder remembers nothing.
  ConvChoices(const std::filesystem::path& folder, std::string device, std::string version);

  [[nodiscard]] std::optional<ConvChoice> find(const std::string& request) const;
  void set(const std::string& request, ConvChoice choice);
  /// Writes the file where something is new, with what other processes have added to it. Throws `Error` (failed).
  void save();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Sentences about files that were not used.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

 private:
  using Map = std::map<std::string, ConvChoice>;

  [[nodiscard]] Map read();
  [[nodiscard]] std::string head() const;

  std::filesystem::path path_;  // empty: nothing is remembered
  std::string device_;
  std::string version_;
  Map known_;  // read
  Map fresh_;  // set since
  std::vector<std::string> notes_;
};

}  // namespace thaw::cuda
