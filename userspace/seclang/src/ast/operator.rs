//! Operators: what a rule asks of a value.

use super::names::names;
use super::template::Template;

names! {
    /// The test.
    pub enum OperatorKind {
        /// Regular expression, searched.
        Rx = "rx",
        /// Regular expression, every occurrence captured.
        RxGlobal = "rxGlobal",
        /// Any of these phrases, without case.
        Pm = "pm",
        /// Any phrase of these files, without case.
        PmFromFile = "pmFromFile" | "pmf",
        /// Any phrase of a `SecDataset`.
        PmFromDataset = "pmFromDataset",
        /// The value contains the argument.
        Contains = "contains",
        /// The value contains the argument as a word.
        ContainsWord = "containsWord",
        /// Equal.
        Streq = "streq",
        /// The value contains the argument.
        Strmatch = "strmatch",
        /// The value begins with the argument.
        BeginsWith = "beginsWith",
        /// The value ends with the argument.
        EndsWith = "endsWith",
        /// The argument contains the value.
        Within = "within",
        /// Equal as numbers.
        Eq = "eq",
        /// Greater or equal as numbers.
        Ge = "ge",
        /// Greater as numbers.
        Gt = "gt",
        /// Less or equal as numbers.
        Le = "le",
        /// Less as numbers.
        Lt = "lt",
        /// Matches when a byte is outside of these ranges.
        ValidateByteRange = "validateByteRange",
        /// Matches when percent-encoding is wrong.
        ValidateUrlEncoding = "validateUrlEncoding",
        /// Matches when the bytes are not UTF-8.
        ValidateUtf8Encoding = "validateUtf8Encoding",
        /// The address is in one of these networks.
        IpMatch = "ipMatch",
        /// The address is in a network of this file.
        IpMatchFromFile = "ipMatchFromFile" | "ipMatchF",
        /// The address is in a network of a `SecDataset`.
        IpMatchFromDataset = "ipMatchFromDataset",
        /// SQL injection, as libinjection sees it.
        DetectSqli = "detectSQLi",
        /// Cross-site scripting, as libinjection sees it.
        DetectXss = "detectXSS",
        /// Always matches.
        UnconditionalMatch = "unconditionalMatch",
        /// Never matches.
        NoMatch = "noMatch",
        /// Looks the address up and fills `GEO`.
        GeoLookup = "geoLookup",
        /// Looks the address up in a DNS block list.
        Rbl = "rbl",
        /// Matches a path template and fills `ARGS_PATH`.
        Restpath = "restpath",
        /// Compares a fuzzy hash.
        FuzzyHash = "fuzzyHash",
        /// Matches when the XML body does not fit a DTD.
        ValidateDtd = "validateDTD",
        /// Matches when the XML body does not fit a schema.
        ValidateSchema = "validateSchema",
        /// A national identity number.
        ValidateNid = "validateNid",
        /// A credit card number.
        VerifyCc = "verifyCC",
        /// A Brazilian CPF number.
        VerifyCpf = "verifyCPF",
        /// A US social security number.
        VerifySsn = "verifySSN",
        /// An Austrian social insurance number.
        VerifySvnr = "verifySVNR",
    }
}

/// `@name argument`, or a bare pattern, which means `@rx`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operator {
    /// `!`: the result is turned round for each value.
    pub negated: bool,
    /// The test.
    pub kind: OperatorKind,
    /// What it is compared with; empty where the operator takes nothing. Of the arguments of `@pm`, `@pmFromFile`,
    /// `@ipMatchFromFile` and the like no macro is expanded: they are one literal. In a regular expression only
    /// `%{` and the name of a known variable makes a macro, everything else is the pattern's.
    pub argument: Template,
}
