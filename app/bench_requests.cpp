#include <fmt/ranges.h>

#include <algorithm>
#include <sstream>

#include "app/bench_options.h"
#include "app/options.h"
#include "kernels/files.h"
#include "kernels/printable.h"
#include "microscope/benchdnn.h"

namespace thaw {

namespace {

using microscope::Family;
using microscope::Request;

/// benchdnn's names of directions beside thaw's own.
std::string direction_of(const std::string& word) {
  if (word == "FWD_D" || word == "FWD_B" || word == "FWD_I") return "fwd";
  if (word == "BWD_D") return "dgrad";
  if (word == "BWD_W" || word == "BWD_WB") return "wgrad";
  return word;
}

/// What --dir names; empty: everything.
std::vector<std::string> directions_of(const BenchOptions& options) {
  std::vector<std::string> known;
  for (const Family& family : microscope::families()) {
    if (options.family != "all" && options.family != family.name) continue;
    for (const std::string& direction : family.directions) {
      if (std::find(known.begin(), known.end(), direction) == known.end()) known.push_back(direction);
    }
  }
  std::vector<std::string> wanted;
  std::istringstream words(options.dir);
  for (std::string word; std::getline(words, word, ',');) {
    wanted.push_back(known[parse_choice(direction_of(word), "--dir", known)]);
  }
  if (wanted.empty() && !options.dir.empty()) fail(ErrorKind::usage, "--dir names no direction");
  return wanted;
}

/// A problem's text with a name behind it, from the command line or a file.
void add_problem(const Family& family, const std::string& text, const microscope::Wishes& wishes,
                 const std::vector<std::string>& wanted, std::vector<Request>& out) {
  const std::string problem = family.canonical(text, wishes);
  std::string name;
  if (microscope::looks_like_benchdnn(text)) name = microscope::parse_benchdnn(text).name;
  const std::vector<std::string> has = family.directions_of(problem);
  const std::size_t before = out.size();
  for (const std::string& direction : has) {
    const bool asked = std::find(wanted.begin(), wanted.end(), direction) != wanted.end();
    // The packed form of a convolution's forward call is another way of it, so it is measured where it is asked for.
    if (wanted.empty() ? direction == "packed" : !asked) continue;
    out.push_back({.family = family.name, .problem = problem, .direction = direction, .name = printable(name)});
  }
  if (out.size() == before) {
    fail(ErrorKind::usage, "{} has no such direction as --dir {}; it has {}", problem, wanted.front(),
         fmt::join(has, ", "));
  }
}

/// Problems of a file, one a line; what stands behind '#' is a comment.
std::vector<std::string> read_problems(const std::string& path) {
  const std::string text = read_file(path);
  if (text.find('\0') != std::string::npos) fail(ErrorKind::data, "'{}' is no text file of problems", path);
  std::istringstream lines(text);
  std::vector<std::string> problems;
  for (std::string line; std::getline(lines, line);) {
    line.erase(std::min(line.find('#'), line.size()));
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string::npos) continue;
    line = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
    if (line.starts_with("--")) {
      fail(ErrorKind::data, "'{}' gives the option '{}'; a file of problems has problems only, give options to thaw",
           path, printable(line));
    }
    problems.push_back(line);
  }
  if (problems.empty()) fail(ErrorKind::data, "'{}' has no problem in it", path);
  return problems;
}

/// The network's problems of this family, in the directions that are asked for.
std::vector<Request> from_network(const BenchOptions& options, const Backend& backend, Dtype dtype,
                                  const std::vector<std::string>& wanted) {
  microscope::NetOptions net = net_options_of(options, dtype);
  net.fuses = backend.fuses({.dtype = dtype});
  std::vector<Request> rows = microscope::record_step(net);
  std::erase_if(rows, [&](const Request& row) {
    const bool other = options.family != "all" && row.family != options.family;
    return other || (!wanted.empty() && std::find(wanted.begin(), wanted.end(), row.direction) == wanted.end());
  });
  if (rows.empty()) {
    fail(ErrorKind::usage, "{} with --unfreeze {} has no {} of this direction in its training step", options.net,
         options.unfreeze, options.family);
  }
  return rows;
}

}  // namespace

microscope::NetOptions net_options_of(const BenchOptions& options, Dtype dtype) {
  require_option(options.batch >= 0 && options.batch <= max_batch, "--batch", "1 to 65536 images", options.batch);
  require_option(options.size >= 32 && options.size <= max_size, "--size", "32 to 4096 pixels", options.size);
  require_option(options.classes >= 1 && options.classes <= 100'000, "--classes", "1 to 100000", options.classes);
  return {.model = options.net,
          .unfreeze = options.unfreeze,
          .bn = options.bn,
          .batch = options.batch == 0 ? 32 : options.batch,
          .size = options.size,
          .classes = options.classes,
          .dtype = dtype};
}

std::vector<Request> requests_of(const BenchOptions& options, const Backend& backend, Dtype standard,
                                 bool dtype_given) {
  const std::vector<std::string> wanted = directions_of(options);
  const bool listed = !options.problems.empty() || !options.batch_file.empty();
  if (listed && !options.net.empty()) {
    fail(ErrorKind::usage, "--net and problems do not go together; give one of them");
  }
  if (!listed && options.net.empty()) {
    fail(ErrorKind::usage, "nothing to measure: give {}--net",
         options.family == "all" ? "" : "problems, --batch-file or ");
  }
  if (!options.net.empty()) return from_network(options, backend, standard, wanted);
  require_option(options.batch >= 0 && options.batch <= max_batch, "--batch", "1 to 65536 images", options.batch);
  microscope::Wishes wishes{.standard = standard};
  if (dtype_given) wishes.dtype = standard;
  if (options.batch > 0) wishes.batch = options.batch;
  std::vector<std::string> texts = options.problems;
  if (!options.batch_file.empty()) {
    for (std::string& text : read_problems(options.batch_file)) texts.push_back(std::move(text));
  }
  std::vector<Request> rows;
  for (const std::string& text : texts) {
    add_problem(microscope::family(options.family), text, wishes, wanted, rows);
  }
  return rows;
}

}  // namespace thaw
