//! Body processors: bytes in, arguments, files and flags out. Nothing here fails for good: what is wrong is noted for the rules
//! (`REQBODY_ERROR`), which decide.

mod coding;
mod json;
mod multipart;
mod urlencoded;
mod xml;

#[cfg(test)]
mod tests;

pub use coding::CodingError;
pub(crate) use coding::decode;
pub(crate) use json::json;
pub(crate) use multipart::{Limits as MultipartLimits, Multipart, multipart};
pub(crate) use urlencoded::urlencoded;
pub(crate) use xml::{
    ATTRIBUTES as XML_ATTRIBUTES, TEXT as XML_TEXT, WORK_OF_A_VISIT, XmlLimits, xml,
};
