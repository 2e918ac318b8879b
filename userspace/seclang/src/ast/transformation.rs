//! Transformations: what is done to a value before it is inspected.

use super::names::names;

names! {
    /// `t:name`. They run from left to right; the same one may stand twice.
    pub enum Transformation {
        /// Drops every transformation before it, those of `SecDefaultAction` too.
        None = "none",
        /// Decodes base64 up to the first byte that is none.
        Base64Decode = "base64Decode",
        /// Decodes base64, passing over bytes that are none.
        Base64DecodeExt = "base64DecodeExt",
        /// Encodes.
        Base64Encode = "base64Encode",
        /// Normalises a command line.
        CmdLine = "cmdLine",
        /// Runs of blanks become one space.
        CompressWhitespace = "compressWhitespace",
        /// Decodes CSS escapes.
        CssDecode = "cssDecode",
        /// Decodes ANSI C escapes.
        EscapeSeqDecode = "escapeSeqDecode",
        /// Decodes hexadecimal.
        HexDecode = "hexDecode",
        /// Encodes, in lower case.
        HexEncode = "hexEncode",
        /// Decodes HTML entities.
        HtmlEntityDecode = "htmlEntityDecode",
        /// Decodes JavaScript escapes.
        JsDecode = "jsDecode",
        /// Number of bytes, as text.
        Length = "length",
        /// ASCII letters to lower case.
        Lowercase = "lowercase",
        /// The raw digest.
        Md5 = "md5",
        /// Removes `//`, `/./` and `/../`.
        NormalizePath = "normalizePath" | "normalisePath",
        /// The same, after turning backslashes.
        NormalizePathWin = "normalizePathWin" | "normalisePathWin",
        /// Sets the parity bit.
        ParityEven7bit = "parityEven7bit",
        /// Sets the parity bit.
        ParityOdd7bit = "parityOdd7bit",
        /// Clears the parity bit.
        ParityZero7bit = "parityZero7bit",
        /// Removes comments.
        RemoveComments = "removeComments",
        /// Removes the characters that make comments.
        RemoveCommentsChar = "removeCommentsChar",
        /// Removes NUL.
        RemoveNulls = "removeNulls",
        /// Removes blanks.
        RemoveWhitespace = "removeWhitespace",
        /// Each comment becomes one space.
        ReplaceComments = "replaceComments",
        /// NUL becomes a space.
        ReplaceNulls = "replaceNulls",
        /// The raw digest.
        Sha1 = "sha1",
        /// Decodes `0x41` as SQL has it.
        SqlHexDecode = "sqlHexDecode",
        /// Removes blanks at both ends.
        Trim = "trim",
        /// Removes leading blanks.
        TrimLeft = "trimLeft",
        /// Removes trailing blanks.
        TrimRight = "trimRight",
        /// ASCII letters to upper case.
        Uppercase = "uppercase",
        /// Decodes percent-encoding.
        UrlDecode = "urlDecode",
        /// Decodes percent-encoding and `%uHHHH`.
        UrlDecodeUni = "urlDecodeUni",
        /// Encodes.
        UrlEncode = "urlEncode",
        /// Writes what is not ASCII as `%uHHHH`.
        Utf8toUnicode = "utf8toUnicode",
    }
}
