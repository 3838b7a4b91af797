#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/onnx/runner.h"

namespace thaw::test {

/// What became of the cases of one op.
struct Row {
  std::size_t applicable = 0;
  std::size_t partly = 0;                                   ///< applicable, but thaw lacks one of the outputs
  std::map<std::string, std::size_t> passed;                ///< by device
  std::map<std::string, double> worst;                      ///< largest difference, by device
  std::map<std::string, std::vector<std::string>> not_run;  ///< names by reason

  [[nodiscard]] std::size_t listed() const;
};

/// What became of every case: run on each device that can, or listed with the reason why not.
class Table {
 public:
  /// Runs the case where it applies. Returns what went wrong, one line a device; empty where nothing did.
  std::string add(const Judged& judged);

  [[nodiscard]] std::size_t listed() const;
  [[nodiscard]] std::size_t passed(const std::string& device) const;
  [[nodiscard]] std::string text() const;

 private:
  std::map<std::string, Row> rows_;                // by op
  std::map<std::string, std::size_t> no_such_op_;  // by op
};

}  // namespace thaw::test
