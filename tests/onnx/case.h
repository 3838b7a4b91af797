#pragma once

#include <memory>
#include <string>
#include <vector>

#include "framework/autograd.h"
#include "tests/onnx/model.h"

namespace thaw::test {

/// One published case: a folder with a model and its inputs and outputs.
struct Case {
  std::string suite;   ///< "node", "pytorch-converted", ...
  std::string name;    ///< without "test_"
  std::string folder;  ///< where it lies

  [[nodiscard]] std::string text() const { return suite + "/" + name; }
};

/// `$THAW_ONNX_CASES`, or where Debian's libonnx-testdata puts them.
std::string cases_folder();
/// All cases there, sorted; none where the package is not installed.
std::vector<Case> find_cases();

Model model_of(const Case& c);
/// Array `kind`_`i` of the case's data set, e.g. "input" 0.
Array data_of(const Case& c, const std::string& kind, std::size_t i);

/// What becomes of a case.
struct Verdict {
  enum class Kind { runs, not_applicable, no_such_op } kind = Kind::runs;
  std::string op = {};      ///< the first op that computes; with `no_such_op` the first that thaw does not have
  bool beyond_f32 = false;  ///< some inputs are larger than any f32: only for backends with f64
  std::string reason = {};  ///< of `not_applicable`: what thaw lacks
};

/// Judges a case by walking through it on a backend that computes nothing.
Verdict judge(const Case& c);

/// The model's outputs as thaw computes them in the context's dtype; those without element type are not thaw's.
std::vector<Array> run_case(Context& ctx, const Case& c);
/// The same for a model with a Gradient node (`simple/gradient_*`): by the tape.
std::vector<Array> run_gradient(Context& ctx, const Model& model, const std::vector<Array>& inputs);

}  // namespace thaw::test
