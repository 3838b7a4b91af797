#pragma once

#include <hdf5.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "weights/h5_handle.h"
#include "weights/spec.h"

namespace thaw::testing {

/// A folder of its own that goes away with the test.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// A file below $THAW_FACTS or $THAW_ASSETS, or nothing where the variable is unset or the file absent.
std::optional<std::filesystem::path> fact(const std::string& name);
std::optional<std::filesystem::path> asset(const std::string& name);

/// The rows of a CSV file with quoted fields; row 0 is the header.
std::vector<std::vector<std::string>> read_csv(const std::filesystem::path& path);

/// One weighted layer as a facts CSV tells it.
struct FactLayer {
  LayerSpec layer;                       // Keras 3 names; h5 names left empty
  std::string h5_layer;                  // column h5_layer_name
  std::vector<std::string> h5_datasets;  // column h5_datasets, with their leading slash
};
std::vector<FactLayer> fact_layers(const std::filesystem::path& csv);
/// The model's spec from `<model_id>_layers.csv`.
ModelSpec fact_spec(const std::filesystem::path& csv, const std::string& model_id);
/// All layer names of the CSV, weightless ones too.
std::vector<std::string> fact_layer_names(const std::filesystem::path& csv);

/// A network of four layers with MobileNetV3's names: conv, conv_bn, a depthwise one, and an SE convolution.
ModelSpec tiny_spec();

enum class StringForm { fixed, variable };

struct RawWeight {
  std::string name;
  std::vector<hsize_t> shape;
};
struct RawLayer {
  std::string name;
  std::vector<RawWeight> weights;
};

/// An HDF5 file made call by call with the C API, so that it can be wrong in any way.
class RawFile {
 public:
  explicit RawFile(const std::filesystem::path& path);
  ~RawFile();
  RawFile(const RawFile&) = delete;
  RawFile& operator=(const RawFile&) = delete;
  [[nodiscard]] hid_t id() const { return file_; }
  void group(const std::string& path);
  void strings(const std::string& group, const std::string& attribute, const std::vector<std::string>& values,
               StringForm form = StringForm::fixed);
  void empty_list(const std::string& group, const std::string& attribute);
  /// A float dataset holding `raw_value`s; `creation` is a dataset creation property list.
  void floats(const std::string& path, const std::vector<hsize_t>& shape, hid_t creation = H5P_DEFAULT,
              hid_t type = H5T_IEEE_F32LE);
  void layer(const std::string& root, const RawLayer& layer, StringForm form = StringForm::fixed);

 private:
  h5::QuietErrors quiet_;
  hid_t file_;
};

/// The value of element `i` of a dataset in raw files: depends on the last two parts of its name.
float raw_value(const std::string& path, std::size_t i);

/// The layers of `tiny_spec()` as a tf.keras file has them, with two weightless ones.
std::vector<RawLayer> tiny_layers();

/// Writes a legacy Keras file; `spoil` may add to it or break it before it is closed.
void write_raw_keras(const std::filesystem::path& path, const std::vector<RawLayer>& layers,
                     StringForm form = StringForm::fixed, const std::function<void(RawFile&)>& spoil = {});

/// The message of the `Error` of kind data that `action` throws; empty if it throws none.
std::string data_error(const std::function<void()>& action);

std::string bytes_of(const std::filesystem::path& path);
void put_bytes(const std::filesystem::path& path, const std::string& bytes);

}  // namespace thaw::testing
