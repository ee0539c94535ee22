#include "auth/crypto.h"

#include <gtest/gtest.h>

namespace trunkline::auth {
namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

TEST(Crypto, Sha256MatchesFips180) {
  EXPECT_EQ(hex(sha256("abc").view()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Crypto, HmacMatchesRfc4231) {
  EXPECT_EQ(hex(hmac_sha256("Jefe", "what do ya want for nothing?").view()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(hmac_sha256(std::string(131, '\xaa'),
                            "Test Using Larger Than Block-Size Key - Hash Key First")
                    .view()),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Crypto, HmacTakesAnEmptyKeyAndEmptyData) {
  EXPECT_EQ(hex(hmac_sha256("", "").view()),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Crypto, Pbkdf2MatchesRfc7914) {
  EXPECT_EQ(hex(pbkdf2_sha256("passwd", "salt", 1).view()),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
}

TEST(Crypto, Md5MatchesRfc1321) {
  EXPECT_EQ(md5_hex("message digest").reveal(), "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST(Crypto, Base64MatchesRfc4648BothWays) {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"},
                                                         {"\xff\xfe\xfd", "//79"}};
  for (const auto& [bytes, text] : vectors) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
  }
}

TEST(Crypto, Base64DecodingTakesOnlyTheCanonicalForm) {
  for (std::string_view bad : {"Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", " Zg==",
                               "Zg==\n", "Zg==Zg==", "Z-_v", "Zm\0v", "=Zg=", "Zm9vY"})
    EXPECT_EQ(base64_decode(bad), std::nullopt) << bad;
}

TEST(Crypto, Base64DecodingIntoABufferWantsItsExactSize) {
  char three[3];
  EXPECT_TRUE(base64_decode_exactly("Zm9v", three));
  EXPECT_FALSE(base64_decode_exactly("Zm8=", three));
  EXPECT_FALSE(base64_decode_exactly("Zm9vYg==", three));
}

}  // namespace
}  // namespace trunkline::auth
