#include "data/image.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "kernels/digest.h"
#include "tests/data/fixtures.h"

namespace thaw {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;

Image grey_image(int width, int height, const std::vector<int>& values) {
  Image image{width, height, {}};
  for (const int value : values) image.rgb.insert(image.rgb.end(), 3, static_cast<std::uint8_t>(value));
  return image;
}

/// Red channel of the resized image.
std::vector<float> resized(const Image& image, int height, int width) {
  std::vector<float> pixels(static_cast<std::size_t>(height * width * 3)), red;
  resize_bilinear(image, height, width, pixels.data());
  for (std::size_t i = 0; i < pixels.size(); i += 3) red.push_back(pixels[i]);
  return red;
}

/// A PNG that is only a signature and a header of these dimensions.
std::string png_header(unsigned width, unsigned height) {
  std::string bytes = encode_png(test_image(1, 1));
  for (std::size_t i = 0; i < 4; ++i) {
    bytes[16 + i] = static_cast<char>(width >> (24 - 8 * i));
    bytes[20 + i] = static_cast<char>(height >> (24 - 8 * i));
  }
  return bytes;
}

TEST(Resize, OfTheSameSizeChangesNothing) {
  const Image image = test_image(7, 5);
  std::vector<float> pixels(image.rgb.size());
  resize_bilinear(image, 5, 7, pixels.data());
  for (std::size_t i = 0; i < pixels.size(); ++i) ASSERT_EQ(pixels[i], static_cast<float>(image.rgb[i])) << i;
}

TEST(Resize, DoublesARowWithHalfPixelCentres) {
  // Sources at -0.25, 0.25, 0.75, 1.25: the outer two are clamped.
  EXPECT_THAT(resized(grey_image(2, 1, {0, 100}), 1, 4), ElementsAre(0.0f, 25.0f, 75.0f, 100.0f));
}

TEST(Resize, DoublesASquareInBothDirections) {
  EXPECT_THAT(resized(grey_image(2, 2, {0, 40, 80, 200}), 4, 4),
              ElementsAre(0.0f, 10.0f, 30.0f, 40.0f, 20.0f, 35.0f, 65.0f, 80.0f,  //
                          60.0f, 85.0f, 135.0f, 160.0f, 80.0f, 110.0f, 170.0f, 200.0f));
}

TEST(Resize, HalvesByAveragingTheTwoPixelsAroundEachCentre) {
  EXPECT_THAT(resized(grey_image(4, 1, {0, 10, 20, 60}), 1, 2), ElementsAre(5.0f, 40.0f));
}

TEST(Resize, DoesNotAntialiasWhenItShrinksALot) {
  // Sources at 2 and 7 of ten pixels: the others do not count.
  EXPECT_THAT(resized(grey_image(10, 1, {9, 9, 33, 9, 9, 9, 9, 77, 9, 9}), 1, 2), ElementsAre(33.0f, 77.0f));
}

TEST(Resize, MixesInFloatWithoutRounding) {
  // 3 -> 2: sources at 0.25 and 1.75.
  EXPECT_THAT(resized(grey_image(3, 1, {1, 2, 255}), 1, 2), ElementsAre(FloatEq(1.25f), FloatEq(191.75f)));
}

TEST(Resize, KeepsTheColourChannelsApart) {
  const Image image{2, 1, {0, 100, 200, 40, 140, 240}};
  std::vector<float> pixels(3);
  resize_bilinear(image, 1, 1, pixels.data());
  EXPECT_THAT(pixels, ElementsAre(20.0f, 120.0f, 220.0f));
}

TEST(Resize, OfABoxSeesNothingOutsideTheBox) {
  const Image image = grey_image(4, 3, {9, 9, 9, 9, 9, 10, 30, 9, 9, 50, 70, 9});
  std::vector<float> pixels(4 * 4 * 3);
  resize_bilinear(image, {1, 1, 2, 2}, 4, 4, false, pixels.data());
  EXPECT_EQ(pixels.front(), 10.0f);
  EXPECT_EQ(pixels.back(), 70.0f);
  EXPECT_THAT(pixels, ::testing::Each(::testing::Ge(10.0f)));
}

TEST(Resize, DoesTheArithmeticOfTensorFlowPixelByPixel) {
  const Image image = test_image(47, 61);
  constexpr int size_h = 29, size_w = 80;
  std::vector<float> pixels(size_h * size_w * 3);
  resize_bilinear(image, size_h, size_w, pixels.data());
  const auto source = [](int i, int in, int out) {
    return (static_cast<float>(i) + 0.5f) * (static_cast<float>(in) / static_cast<float>(out)) - 0.5f;
  };
  const auto mix = [](float a, float b, float lerp) {
    const volatile float product = (b - a) * lerp;  // rounded by itself: no fused multiply-add
    return a + product;
  };
  for (int i = 0; i < size_h * size_w * 3; ++i) {
    const int c = i % 3, x = i / 3 % size_w, y = i / 3 / size_w;
    const float sy = source(y, 61, size_h), sx = source(x, 47, size_w);
    const auto pixel = [&](float at_y, float at_x) {
      const int row = std::clamp(static_cast<int>(at_y), 0, 60), column = std::clamp(static_cast<int>(at_x), 0, 46);
      return static_cast<float>(image.rgb[static_cast<std::size_t>((row * 47 + column) * 3 + c)]);
    };
    const float fy = std::floor(sy), fx = std::floor(sx);
    const float top = mix(pixel(fy, fx), pixel(fy, fx + 1), sx - fx);
    const float bottom = mix(pixel(fy + 1, fx), pixel(fy + 1, fx + 1), sx - fx);
    ASSERT_EQ(pixels[static_cast<std::size_t>(i)], mix(top, bottom, sy - fy)) << y << ' ' << x << ' ' << c;
  }
}

TEST(Resize, FlipMirrorsTheResultExactly) {
  const Image image = test_image(13, 9);
  constexpr int size = 8;
  std::vector<float> straight(size * size * 3), mirrored(straight.size());
  resize_bilinear(image, {0, 0, 9, 13}, size, size, false, straight.data());
  resize_bilinear(image, {0, 0, 9, 13}, size, size, true, mirrored.data());
  for (std::size_t y = 0; y < size; ++y) {
    for (std::size_t x = 0; x < size; ++x) {
      for (std::size_t c = 0; c < 3; ++c)
        ASSERT_EQ(straight[(y * size + x) * 3 + c], mirrored[(y * size + size - 1 - x) * 3 + c]);
    }
  }
}

TEST(Decode, GivesBackThePixelsOfAPng) {
  const Image image = test_image(31, 17);
  const Image decoded = decode_image(as_bytes(encode_png(image)), "x.png");
  EXPECT_EQ(decoded.width, 31);
  EXPECT_EQ(decoded.height, 17);
  EXPECT_EQ(decoded.rgb, image.rgb);
}

TEST(Decode, GivesNearlyThePixelsOfASmoothJpeg) {
  Image image{64, 48, {}};
  for (int i = 0; i < 64 * 48 * 3; ++i) image.rgb.push_back(static_cast<std::uint8_t>(i / 3 % 64 * 2 + 60));
  const Image decoded = decode_image(as_bytes(encode_jpeg(image, 95)), "x.jpg");
  ASSERT_EQ(decoded.rgb.size(), image.rgb.size());
  for (std::size_t i = 0; i < image.rgb.size(); ++i) ASSERT_NEAR(decoded.rgb[i], image.rgb[i], 8) << i;
}

TEST(Decode, AcceptsBytesBehindTheEndOfAPhoto) {
  EXPECT_EQ(decode_image(as_bytes(jpeg_of(24, 16) + "appended by a camera"), "x.jpg").width, 24);
}

TEST(Decode, RefusesAJpegCutAnywhere) {
  const std::string whole = jpeg_of(64, 64);
  for (std::size_t length = 1; length < whole.size(); length += 7) {
    const std::string message =
        error_of(ErrorKind::data, [&] { decode_image(as_bytes(whole).first(length), "dir/cut.jpg"); });
    ASSERT_THAT(message, HasSubstr("'dir/cut.jpg'")) << length;
  }
  EXPECT_THAT(error_of(ErrorKind::data, [&] { decode_image(as_bytes(whole).first(whole.size() - 2), "cut.jpg"); }),
              HasSubstr("truncated"));
}

TEST(Decode, RefusesAPngCutAnywhere) {
  const std::string whole = encode_png(test_image(32, 32));
  for (std::size_t length = 1; length < whole.size(); length += 11) {
    error_of(ErrorKind::data, [&] { decode_image(as_bytes(whole).first(length), "cut.png"); });
  }
  EXPECT_THAT(error_of(ErrorKind::data, [&] { decode_image(as_bytes(whole).first(whole.size() - 1), "cut.png"); }),
              HasSubstr("truncated"));
}

TEST(Decode, IsNotFooledByTheEndMarkerOfAThumbnail) {
  const std::string photo = jpeg_of(64, 64), thumbnail = jpeg_of(8, 8);
  std::string bytes = photo.substr(0, 2) + "\xFF\xE1";
  bytes += static_cast<char>((thumbnail.size() + 2) >> 8);
  bytes += static_cast<char>(thumbnail.size() + 2);
  bytes += thumbnail + photo.substr(2);
  EXPECT_EQ(decode_image(as_bytes(bytes), "x.jpg").width, 64);
  EXPECT_THAT(error_of(ErrorKind::data, [&] { decode_image(as_bytes(bytes).first(bytes.size() - 40), "x.jpg"); }),
              HasSubstr("truncated"));
}

TEST(Decode, RefusesAHuffmanTableWithMoreCodesThanThereAre) {
  std::string table = std::string("\xFF\xC4\x01\x23\x10", 5) + std::string(16, '\x11');  // 16 x 17 codes: 272
  table += std::string(272, '\0');
  EXPECT_THAT(error_of(ErrorKind::data, [&] { decode_image(as_bytes(jpeg_of(16, 16).insert(2, table)), "x.jpg"); }),
              AllOf(HasSubstr("'x.jpg'"), HasSubstr("damaged")));
}

TEST(Decode, RefusesAJpegWithoutASize) {
  std::string bytes = jpeg_of(16, 16);
  const std::size_t frame = bytes.find("\xFF\xC0");
  ASSERT_NE(frame, std::string::npos);
  EXPECT_THAT(error_of(ErrorKind::data, [&] { decode_image(as_bytes(bytes.substr(0, 2) + "\xFF\xD9"), "x.jpg"); }),
              HasSubstr("no size"));
  bytes.replace(frame + 5, 2, std::string(2, '\0'));
  EXPECT_THAT(error_of(ErrorKind::data, [&] { decode_image(as_bytes(bytes), "x.jpg"); }), HasSubstr("no size"));
}

TEST(Decode, RefusesTextAndEmptyFiles) {
  EXPECT_THAT(error_of(ErrorKind::data, [] { decode_image(as_bytes("hello, I am text"), "a.jpg"); }),
              AllOf(HasSubstr("'a.jpg'"), HasSubstr("JPEG or PNG")));
  EXPECT_THAT(error_of(ErrorKind::data, [] { decode_image({}, "b.jpg"); }), HasSubstr("empty"));
}

TEST(Decode, RefusesHugeDimensionsByTheHeader) {
  EXPECT_THAT(error_of(ErrorKind::data, [] { decode_image(as_bytes(png_header(20000, 10)), "wide.png"); }),
              HasSubstr("16384"));
  EXPECT_THAT(error_of(ErrorKind::data, [] { decode_image(as_bytes(png_header(16000, 16000)), "big.png"); }),
              AllOf(HasSubstr("16000 x 16000"), HasSubstr("64000000")));
}

TEST(Decode, QuotesNothingFromAFileThatATerminalWouldObey) {
  std::string bytes = encode_png(test_image(8, 8));
  const std::size_t data = bytes.find("IDAT");
  ASSERT_NE(data, std::string::npos);
  bytes.replace(data, 4, "\x1b[1m");  // a chunk that must be known, by its name
  const std::string sentence = error_of(ErrorKind::data, [&] { decode_image(as_bytes(bytes), "bad.png"); });
  EXPECT_THAT(sentence, AllOf(HasSubstr("damaged"), ::testing::Not(HasSubstr("\x1b"))));
}

TEST(Decode, RefusesAChunkWhoseNameIsZeros) {
  std::string bytes = encode_png(test_image(8, 8));
  bytes.insert(bytes.size() - 12, 12, '\0');  // before IEND
  EXPECT_THAT(error_of(ErrorKind::data, [&] { decode_image(as_bytes(bytes), "zeros.png"); }),
              HasSubstr("a chunk without a name"));
}

TEST(Decode, RefusesADataChunkWithoutData) {
  std::string bytes = encode_png(test_image(8, 8));
  bytes.insert(bytes.find("IDAT") - 4, std::string("\0\0\0\0IDAT\x35\xaf\x06\x1e", 12));
  EXPECT_THAT(error_of(ErrorKind::data, [&] { decode_image(as_bytes(bytes), "hollow.png"); }),
              HasSubstr("IDAT chunk without data"));
}

TEST(Decode, ReportsDamagedPixelDataAndDecodesTheNextPhoto) {
  std::string bytes = encode_png(test_image(32, 32));
  for (std::size_t i = 45; i < bytes.size() - 16; ++i) bytes[i] = '\x55';
  EXPECT_THAT(error_of(ErrorKind::data, [&] { decode_image(as_bytes(bytes), "bad.png"); }), HasSubstr("damaged"));
  EXPECT_EQ(decode_image(as_bytes(jpeg_of(9, 9)), "good.jpg").width, 9);
}

std::string sha256_of(std::span<const std::uint8_t> bytes) {
  Sha256 digest;
  digest.add(bytes);
  return digest.hex();
}

TEST(Decode, GivesThePixelsOfTensorFlow) {
  const std::string photo = jpeg_of(61, 47, 3);  // colours at half the resolution
  ASSERT_EQ(sha256_of(as_bytes(photo)), "ea282836217f9ce5e94f7049da45fc5ea9d09f8b0a36e7bf1838269b8e4fd842");
  // Of tf.io.decode_jpeg(photo, channels=3), TensorFlow 2.21.
  EXPECT_EQ(sha256_of(decode_image(as_bytes(photo), "x.jpg").rgb),
            "6a2919921b828754114ea8acb09822939305f08bfd0263b21eac2d5a6382b656");
}

TEST(Decode, RefusesAJpegWhoseLostPixelsWouldBecomeGrey) {
  const std::string whole = jpeg_of(64, 64);
  int refused = 0;
  for (std::size_t at = whole.size() / 2; at < whole.size() - 2; at += 3) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
    try {
      decode_image(as_bytes(bytes), "bad.jpg");  // many changes leave another valid picture
    } catch (const Error& error) {
      const std::string message = error.what();
      if (message.find("'bad.jpg' is damaged") != std::string::npos) ++refused;
      ASSERT_THAT(message, HasSubstr("'bad.jpg'")) << at;
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(Encode, RefusesAnImageWithoutItsPixels) {
  EXPECT_THAT(error_of(ErrorKind::failed, [] { encode_png({}); }), HasSubstr("0 x 0"));
  EXPECT_THAT(error_of(ErrorKind::failed, [] { encode_jpeg({2, 2, {1, 2, 3}}, 90); }), HasSubstr("expected 12 bytes"));
}

TEST(ImageFile, IsReadWithItsPathInEveryError) {
  const TempFolder folder;
  EXPECT_THAT(error_of(ErrorKind::data, [&] { load_image(folder.path() / "none.jpg"); }), HasSubstr("none.jpg"));
  write_png(folder.path() / "x.png", test_image(5, 4));
  EXPECT_EQ(load_image(folder.path() / "x.png").rgb, test_image(5, 4).rgb);
}

TEST(ImageFile, BeyondTheSizeLimitIsNotRead) {
  const TempFolder folder;
  write_bytes(folder.path() / "x.jpg", "x");
  std::filesystem::resize_file(folder.path() / "x.jpg", max_image_file_bytes + 1);  // a hole: no disk space
  EXPECT_THAT(error_of(ErrorKind::data, [&] { load_image(folder.path() / "x.jpg"); }), HasSubstr("67108865 bytes"));
}

}  // namespace
}  // namespace thaw
