// Files made to do harm when they are opened; each is made by its test.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "tests/weights/fixtures.h"
#include "weights/h5_reader.h"
#include "weights/inspect.h"
#include "weights/keras_h5.h"

namespace thaw {
namespace {

using ::testing::AllOf;
using testing::data_error;
using ::testing::HasSubstr;
using testing::RawFile;
using testing::StringForm;
using testing::TempFolder;
using testing::tiny_layers;
using testing::tiny_spec;

/// The error of reading a file whose `Conv/kernel` is made by `make_kernel` instead of being a plain dataset.
std::string reading_kernel(const std::function<void(RawFile&)>& make_kernel) {
  const TempFolder folder;
  testing::write_raw_keras(folder / "w.h5", tiny_layers(), StringForm::fixed, [&](RawFile& file) {
    H5Ldelete(file.id(), "Conv/Conv/kernel:0", H5P_DEFAULT);
    make_kernel(file);
  });
  return data_error([&] { (void)read_keras_h5(folder / "w.h5", tiny_spec()); });
}

const std::vector<hsize_t> kernel_shape{3, 3, 3, 4};
constexpr const char* kernel_path = "Conv/Conv/kernel:0";

struct CreationList {
  hid_t id = H5Pcreate(H5P_DATASET_CREATE);
  CreationList() = default;
  CreationList(const CreationList&) = delete;
  CreationList& operator=(const CreationList&) = delete;
  ~CreationList() { H5Pclose(id); }
};

TEST(HostileFile, WithASoftLinkIsRefused) {
  const std::string error = reading_kernel([](RawFile& file) {
    file.floats("elsewhere", kernel_shape);
    H5Lcreate_soft("/elsewhere", file.id(), kernel_path, H5P_DEFAULT, H5P_DEFAULT);
  });
  EXPECT_THAT(error, AllOf(HasSubstr("a soft link"), HasSubstr(kernel_path)));
}

TEST(HostileFile, WithAnExternalLinkIsRefused) {
  const TempFolder folder;
  { RawFile(folder / "secret.h5").floats("secret", kernel_shape); }
  const std::string target = folder / "secret.h5";
  const std::string error = reading_kernel([&](RawFile& file) {
    H5Lcreate_external(target.c_str(), "/secret", file.id(), kernel_path, H5P_DEFAULT, H5P_DEFAULT);
  });
  EXPECT_THAT(error, HasSubstr("an external link"));
}

TEST(HostileFile, WithASoftLinkAsALayerGroupIsRefused) {
  const TempFolder folder;
  testing::write_raw_keras(folder / "w.h5", tiny_layers(), StringForm::fixed, [](RawFile& file) {
    H5Lmove(file.id(), "Conv", file.id(), "moved", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/moved", file.id(), "Conv", H5P_DEFAULT, H5P_DEFAULT);
  });
  EXPECT_THAT(data_error([&] { (void)read_keras_h5(folder / "w.h5", tiny_spec()); }), HasSubstr("a soft link"));
}

TEST(HostileFile, WithExternalStorageIsRefused) {
  const TempFolder folder;
  const std::string values = folder / "host_file.bin";
  testing::put_bytes(values, std::string(108 * 4, 'x'));
  const std::string error = reading_kernel([&](RawFile& file) {
    const CreationList creation;
    H5Pset_external(creation.id, values.c_str(), 0, 108 * 4);
    file.floats(kernel_path, kernel_shape, creation.id);
  });
  EXPECT_THAT(error, HasSubstr("external file"));
}

TEST(HostileFile, WithAVirtualDatasetIsRefused) {
  const TempFolder folder;
  { RawFile(folder / "source.h5").floats("secret", kernel_shape); }
  const std::string source = folder / "source.h5";
  const std::string error = reading_kernel([&](RawFile& file) {
    const CreationList creation;
    const hid_t space = H5Screate_simple(4, kernel_shape.data(), nullptr);
    H5Pset_virtual(creation.id, space, source.c_str(), "/secret", space);
    const hid_t made = H5Dcreate2(file.id(), kernel_path, H5T_IEEE_F32LE, space, H5P_DEFAULT, creation.id, H5P_DEFAULT);
    H5Dclose(made);
    H5Sclose(space);
  });
  EXPECT_THAT(error, HasSubstr("virtual dataset"));
}

TEST(HostileFile, WithAnotherElementTypeIsRefused) {
  for (const hid_t type : {H5T_STD_I32LE, H5T_IEEE_F64LE, H5T_STD_U8LE}) {
    const std::string error =
        reading_kernel([&](RawFile& file) { file.floats(kernel_path, kernel_shape, H5P_DEFAULT, type); });
    EXPECT_THAT(error, HasSubstr("32-bit floats"));
  }
}

TEST(HostileFile, WithAGroupWhereATensorBelongsIsRefused) {
  EXPECT_THAT(reading_kernel([](RawFile& file) { file.group(kernel_path); }), HasSubstr("no readable dataset"));
}

TEST(HostileFile, WithAChecksumFilterIsRefused) {
  const std::string error = reading_kernel([](RawFile& file) {
    const CreationList creation;
    H5Pset_chunk(creation.id, 4, kernel_shape.data());
    H5Pset_fletcher32(creation.id);
    file.floats(kernel_path, kernel_shape, creation.id);
  });
  EXPECT_THAT(error, HasSubstr("only deflate and shuffle"));
}

/// A dataset of any claimed size that stores nothing at all.
void claim(RawFile& file, const std::string& path, const std::vector<hsize_t>& shape, hid_t creation = H5P_DEFAULT) {
  const hid_t space = H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
  H5Dclose(H5Dcreate2(file.id(), path.c_str(), H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
  H5Sclose(space);
}

TEST(HostileFile, ThatClaimsAHugeShapeIsRefusedByItsShape) {
  EXPECT_THAT(reading_kernel([](RawFile& file) {
                claim(file, kernel_path, {1U << 20, 1U << 20, 3, 4});
              }),
              HasSubstr("expected (3,3,3,4)"));
}

TEST(HostileFile, ThatClaimsTheRightShapeButStoresNothingIsRefused) {
  EXPECT_THAT(reading_kernel([](RawFile& file) { claim(file, kernel_path, kernel_shape); }), HasSubstr("stores 0"));
}

TEST(HostileFile, WithChunksFarLargerThanTheTensorIsRefused) {
  const std::string error = reading_kernel([](RawFile& file) {
    const CreationList creation;
    const std::array<hsize_t, 4> chunk{3, 3, 3, 1U << 22};
    const std::array<hsize_t, 4> most{3, 3, 3, H5S_UNLIMITED};
    H5Pset_chunk(creation.id, 4, chunk.data());
    const hid_t space = H5Screate_simple(4, kernel_shape.data(), most.data());
    H5Dclose(H5Dcreate2(file.id(), kernel_path, H5T_IEEE_F32LE, space, H5P_DEFAULT, creation.id, H5P_DEFAULT));
    H5Sclose(space);
  });
  EXPECT_THAT(error, HasSubstr("chunks far larger"));
}

TEST(HostileFile, WithoutAModelToCompareItIsStillHeldToTheSizeCap) {
  const TempFolder folder;
  testing::write_raw_keras(folder / "w.h5", {{"Conv", {{"Conv/a:0", {2}}}}}, StringForm::fixed, [](RawFile& file) {
    H5Ldelete(file.id(), "Conv/Conv/a:0", H5P_DEFAULT);
    claim(file, "Conv/Conv/a:0", {1U << 20, 1U << 20});
  });
  EXPECT_THAT(data_error([&] { (void)inspect(folder / "w.h5"); }), HasSubstr("one tensor may have"));
}

TEST(HostileFile, OfManySmallTensorsMeetsTheCumulativeCap) {
  const TempFolder folder;
  {
    RawFile file(folder / "w.h5");
    for (int i = 0; i < 8; ++i) file.floats(fmt::format("t{}", i), {256});
  }
  h5::Limits limits;
  limits.total_bytes = 5 * 1024;
  h5::Reader reader(folder / "w.h5", limits);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(reader.tensor(fmt::format("t{}", i)).data.size(), 256U);
  EXPECT_THAT(data_error([&] { (void)reader.tensor("t5"); }), HasSubstr("in all"));
}

TEST(HostileFile, WithTooManyNamesIsRefused) {
  const TempFolder folder;
  {
    RawFile file(folder / "w.h5");
    file.strings("", "layer_names", std::vector<std::string>(20, "x"));
  }
  h5::Limits limits;
  limits.names = 19;
  const h5::Reader reader(folder / "w.h5", limits);
  EXPECT_THAT(data_error([&] { (void)reader.text_list("", "layer_names"); }), HasSubstr("more than 19 entries"));
}

TEST(HostileFile, WhoseNamesLeaveTheirGroupIsRefused) {
  for (const std::string name : {"../Conv/Conv/kernel:0", "/Conv/Conv/kernel:0", "Conv//kernel:0", "./Conv"}) {
    auto layers = tiny_layers();
    layers[1].weights.clear();
    const TempFolder folder;
    testing::write_raw_keras(folder / "w.h5", layers, StringForm::fixed, [&](RawFile& file) {
      const hid_t group = H5Oopen(file.id(), "/Conv", H5P_DEFAULT);
      H5Adelete(group, "weight_names");
      H5Oclose(group);
      file.strings("Conv", "weight_names", {name});
    });
    EXPECT_THAT(data_error([&] { (void)read_keras_h5(folder / "w.h5", tiny_spec()); }), HasSubstr("no plain path"))
        << name;
  }
}

TEST(HostileFile, WhoseNamesAreNumbersIsRefused) {
  const TempFolder folder;
  {
    RawFile file(folder / "w.h5");
    const hsize_t count = 3;
    const hid_t space = H5Screate_simple(1, &count, nullptr);
    H5Aclose(H5Acreate2(file.id(), "layer_names", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
  }
  EXPECT_THAT(data_error([&] { (void)read_keras_h5(folder / "w.h5", tiny_spec()); }), HasSubstr("holds no strings"));
}

TEST(HostileFile, ThatLacksAListedLayerIsRefused) {
  const TempFolder folder;
  testing::write_raw_keras(folder / "w.h5", tiny_layers(), StringForm::fixed,
                           [](RawFile& file) { H5Ldelete(file.id(), "expanded_conv", H5P_DEFAULT); });
  EXPECT_THAT(data_error([&] { (void)read_keras_h5(folder / "w.h5", tiny_spec()); }),
              HasSubstr("no object 'expanded_conv'"));
}

}  // namespace
}  // namespace thaw
