#include "tests/app/bad_input.h"
#include "weights/h5_handle.h"
#include "weights/thaw_h5.h"

namespace thaw::testing {
namespace {

fs::path file_in(const fs::path& dir) { return dir / "w.h5"; }

void make_weights_of_large(const fs::path& dir) {
  ASSERT_EQ(call({"weights", "synth", "mobilenet_v3_large", "--out", file_in(dir).string()}).code, 0);
}

void make_keras_weights(const fs::path& dir, const std::string& model) {
  ASSERT_EQ(call({"weights", "synth", model, "--keras", "--out", file_in(dir).string()}).code, 0);
}

void write_text(const fs::path& dir) { write(file_in(dir), "these are no weights at all, only a sentence"); }

void cut_weights(const fs::path& dir) {
  make_weights(dir);
  fs::resize_file(file_in(dir), fs::file_size(file_in(dir)) / 2);
}

void spoil_a_byte(const fs::path& dir) {
  make_weights(dir);
  std::string bytes = read_file(file_in(dir));
  bytes[bytes.size() / 2] ^= 1;
  write(file_in(dir), bytes);
}

/// The same values under the same names, one of them as a column.
void turn_a_tensor(const fs::path& dir) {
  make_weights(dir);
  WeightSet set = read_thaw_h5(file_in(dir));
  set.tensors.front().shape.insert(set.tensors.front().shape.begin(), 1);
  write_thaw_h5(file_in(dir), set, {});
}

void leave_a_tensor_out(const fs::path& dir) {
  make_weights(dir);
  WeightSet set = read_thaw_h5(file_in(dir));
  set.tensors.erase(set.tensors.begin());
  write_thaw_h5(file_in(dir), set, {});
}

void spoil_a_value(const fs::path& dir) {
  make_weights(dir);
  WeightSet set = read_thaw_h5(file_in(dir));
  set.tensors.front().data.front() = std::numeric_limits<float>::quiet_NaN();
  write_thaw_h5(file_in(dir), set, {});
}

/// A tensor that is to be read from another file.
void link_elsewhere(const fs::path& dir) {
  make_weights(dir);
  const std::string name = "weights/" + read_thaw_h5(file_in(dir)).tensors.front().name;
  const h5::File file(H5Fopen(file_in(dir).c_str(), H5F_ACC_RDWR, H5P_DEFAULT));
  ASSERT_GE(H5Ldelete(file.get(), name.c_str(), H5P_DEFAULT), 0);
  ASSERT_GE(H5Lcreate_external("/etc/passwd", "/secret", file.get(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT), 0);
}

void run_with_lost_best(const fs::path& dir) {
  ASSERT_EQ(call(small_training((dir / "run").string(), {"--epochs", "1"})).code, 0);
  fs::remove(dir / "run/best.h5");
}

const std::string kTrain = "train --model mobilenet_v3_small --weights {dir}/w.h5 --size 32 {photos} {out}";

const std::vector<BadInput> weights = {
    {"MissingWeights", kTrain, 3, {"there is no weights file '{dir}/w.h5'", "none (random) or synth"}},
    {"FolderAsWeights", kTrain, 3, {"w.h5'"}, [](const fs::path& dir) { fs::create_directories(file_in(dir)); }},
    {"EmptyWeights", kTrain, 3, {"w.h5'"}, [](const fs::path& dir) { write(file_in(dir), ""); }},
    {"TextAsWeights", kTrain, 3, {"'{dir}/w.h5'", "HDF5"}, write_text},
    {"TruncatedWeights", kTrain, 3, {"'{dir}/w.h5'", "truncated"}, cut_weights},
    {"DamagedWeights", kTrain, 3, {"'{dir}/w.h5'", "damaged"}, spoil_a_byte},
    {"WeightsOfAnotherModel",
     kTrain,
     3,
     {"'{dir}/w.h5' holds weights of mobilenet_v3_large, not of mobilenet_v3_small", "choose other weights"},
     make_weights_of_large},
    {"KerasWeightsOfAnotherModel",
     kTrain,
     3,
     {"'{dir}/w.h5'"},
     [](const fs::path& dir) { make_keras_weights(dir, "mobilenet_v3_large"); }},
    {"WrongShape", kTrain, 3, {"'{dir}/w.h5'", "'conv/kernel'", "shape"}, turn_a_tensor},
    {"MissingTensor", kTrain, 3, {"'{dir}/w.h5'", "are missing: conv/kernel"}, leave_a_tensor_out},
    {"ValueThatIsNoNumber", kTrain, 3, {"'{dir}/w.h5'", "'conv/kernel'", "NaN or infinite"}, spoil_a_value},
    {"ExternalLink", kTrain, 3, {"'{dir}/w.h5'", "an external link"}, link_elsewhere},
    {"WeightsWithoutClassifier", "eval --weights {dir}/w.h5 {photos}", 2, {"has no classifier"}, make_weights},
    {"WeightsThatSayNoModel", "describe --weights {dir}/w.h5", 2, {"--weights"}, nullptr},
    {"ConversionOfText",
     "weights convert {dir}/w.h5 --model resnet50 --out {dir}/o.h5",
     3,
     {"'{dir}/w.h5'"},
     write_text},
    {"InspectionOfText", "weights inspect {dir}/w.h5", 3, {"'{dir}/w.h5'"}, write_text},
    {"VerificationOfText", "weights verify {dir}/w.h5 --model resnet50", 3, {"w.h5"}, write_text},
    {"LostBestWeights",
     "train --resume {dir}/run --epochs 2",
     3,
     {"'{dir}/run/best.h5' with the weights of epoch 1 is missing", "put it back"},
     run_with_lost_best},
    {"GoldenThatIsNoTrace",
     "trace mobilenet_v3_small --weights synth --input synth:32x1 --compare {dir}/g.csv",
     3,
     {"'{dir}/g.csv'", "is no trace"},
     [](const fs::path& dir) { write(dir / "g.csv", "a,b\n1,2\n"); }},
};

INSTANTIATE_TEST_SUITE_P(Weights, BadInputTest, ::testing::ValuesIn(weights), name_of_row);

}  // namespace
}  // namespace thaw::testing
