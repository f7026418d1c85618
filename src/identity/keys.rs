//! Public keys of issuers: JSON Web Keys (RFC 7517, RFC 7518 section 6).

use base64ct::{Base64UrlUnpadded, Encoding as _};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

/// RFC 7518, section 3.1: what CI systems sign with. Never what a token asks for beyond these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Es256,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// A key that signs tokens.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point (SEC 1, section 2.3.3).
    P256(Vec<u8>),
}

impl Key {
    /// `None`: it is for something else, or of a kind that is not used here.
    pub(super) fn read(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let part = |text: &Option<String>| Base64UrlUnpadded::decode_vec(text.as_deref()?).ok();
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Material::Rsa { n: part(&jwk.n)?, e: part(&jwk.e)? },
            ("EC", Some("P-256")) => Material::P256([vec![4], part(&jwk.x)?, part(&jwk.y)?].concat()),
            _ => return None,
        };
        let key = Self { id: jwk.kid, material };
        let fits = |alg: &String| Algorithm::named(alg) == Some(key.algorithm());
        let signs = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
        (signs && jwk.alg.as_ref().is_none_or(fits)).then_some(key)
    }

    fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
        }
    }

    /// Whether it may have signed a token with this header.
    pub(super) fn is(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        self.algorithm() == algorithm && (id.is_none() || self.id.is_none() || self.id.as_deref() == id)
    }

    pub(super) fn signed(&self, message: &[u8], by: &[u8]) -> bool {
        let verdict = match &self.material {
            Material::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, by)
            }
            Material::P256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, by)
            }
        };
        verdict.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CLAIMS: &str =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

    fn verdict(key: &Key, header: &str, claims: &str, signature: &str) -> bool {
        let signature = Base64UrlUnpadded::decode_vec(signature).expect("base64");
        key.signed(format!("{header}.{claims}").as_bytes(), &signature)
    }

    /// The examples of RFC 7515, appendices A.2 and A.3.
    #[test]
    fn the_examples_of_the_standard_are_signed() {
        let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ\
                 S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2Ca\
                 pHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h\
                 4FRWyuXpoQ";
        let by_rsa = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU\
                      Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--x\
                      i12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypG\
                      lUPQGe77Rw";
        let rsa = Key::read(json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256"})).expect("a key");
        let (x, y) =
            ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        let by_ec = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let ec = Key::read(json!({"kty": "EC", "crv": "P-256", "x": x, "y": y})).expect("a key");
        for (key, header, signature) in
            [(&rsa, "eyJhbGciOiJSUzI1NiJ9", by_rsa), (&ec, "eyJhbGciOiJFUzI1NiJ9", by_ec)]
        {
            assert!(verdict(key, header, CLAIMS, signature), "{key:?}");
            assert!(!verdict(key, header, &CLAIMS.replace("joe", "jon").replacen('J', "K", 1), signature));
            assert!(!verdict(key, header, CLAIMS, "AAAA"));
        }
    }

    #[test]
    fn keys_for_something_else_are_passed_over() {
        let ec = json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"});
        for (name, value) in
            [("use", "enc"), ("alg", "ES384"), ("crv", "P-384"), ("kty", "oct"), ("x", "not base64!")]
        {
            let mut jwk = ec.clone();
            jwk[name] = value.into();
            assert!(Key::read(jwk).is_none(), "{name}");
        }
        assert!(Key::read(json!({"kty": "RSA", "n": "AA"})).is_none());
    }
}
