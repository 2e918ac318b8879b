//! Variables: what a rule looks at.

use super::names::names;

names! {
    /// A scalar or a collection of the transaction.
    pub enum Variable {
        /// Query arguments, then body arguments.
        Args = "ARGS",
        /// Arguments of the query.
        ArgsGet = "ARGS_GET",
        /// Names of the query's arguments.
        ArgsGetNames = "ARGS_GET_NAMES",
        /// Names of all arguments.
        ArgsNames = "ARGS_NAMES",
        /// Arguments that the router took from the path.
        ArgsPath = "ARGS_PATH",
        /// Arguments of the body.
        ArgsPost = "ARGS_POST",
        /// Names of the body's arguments.
        ArgsPostNames = "ARGS_POST_NAMES",
        /// What `setenv` stored.
        Env = "ENV",
        /// File names as the client sent them, by field.
        Files = "FILES",
        /// Names of the fields that held files.
        FilesNames = "FILES_NAMES",
        /// Bytes of each file, by field.
        FilesSizes = "FILES_SIZES",
        /// Where uploaded files were stored.
        FilesTmpnames = "FILES_TMPNAMES",
        /// Contents of uploaded files, by field.
        FilesTmpContent = "FILES_TMP_CONTENT",
        /// What the last `@geoLookup` found.
        Geo = "GEO",
        /// Persistent, one for all.
        Global = "GLOBAL",
        /// Persistent, one an address.
        Ip = "IP",
        /// Every match of this chain.
        MatchedVars = "MATCHED_VARS",
        /// The names of every match of this chain.
        MatchedVarsNames = "MATCHED_VARS_NAMES",
        /// File names of multipart parts.
        MultipartFilename = "MULTIPART_FILENAME",
        /// Names of multipart parts.
        MultipartName = "MULTIPART_NAME",
        /// Header lines of multipart parts, by part name.
        MultipartPartHeaders = "MULTIPART_PART_HEADERS",
        /// Cookies.
        RequestCookies = "REQUEST_COOKIES",
        /// Names of cookies.
        RequestCookiesNames = "REQUEST_COOKIES_NAMES",
        /// Request header fields.
        RequestHeaders = "REQUEST_HEADERS",
        /// Names of request header fields, in the case sent.
        RequestHeadersNames = "REQUEST_HEADERS_NAMES",
        /// Persistent, one a resource.
        Resource = "RESOURCE",
        /// Arguments parsed from a JSON response.
        ResponseArgs = "RESPONSE_ARGS",
        /// Response header fields.
        ResponseHeaders = "RESPONSE_HEADERS",
        /// Names of response header fields.
        ResponseHeadersNames = "RESPONSE_HEADERS_NAMES",
        /// Id, msg, severity ... of the rule that runs.
        Rule = "RULE",
        /// Persistent, one a session.
        Session = "SESSION",
        /// The transaction's own variables.
        Tx = "TX",
        /// Persistent, one a user.
        User = "USER",
        /// The XML body, by XPath.
        Xml = "XML",
        /// The same as `XML`.
        RequestXml = "REQUEST_XML",
        /// An XML response body, by XPath.
        ResponseXml = "RESPONSE_XML",
        /// Bytes of all names and values of `ARGS`.
        ArgsCombinedSize = "ARGS_COMBINED_SIZE",
        /// Scheme of the Authorization field.
        AuthType = "AUTH_TYPE",
        /// Microseconds since the transaction began.
        Duration = "DURATION",
        /// Bytes of all files.
        FilesCombinedSize = "FILES_COMBINED_SIZE",
        /// Request line, header and body as received.
        FullRequest = "FULL_REQUEST",
        /// Bytes of `FULL_REQUEST`.
        FullRequestLength = "FULL_REQUEST_LENGTH",
        /// The gravest severity that matched so far.
        HighestSeverity = "HIGHEST_SEVERITY",
        /// 1 when the request body passed its limit.
        InboundDataError = "INBOUND_DATA_ERROR",
        /// Always empty; the word is known to Coraza.
        Json = "JSON",
        /// The last value that matched, after its transformations.
        MatchedVar = "MATCHED_VAR",
        /// Its full name, `COLLECTION:key`.
        MatchedVarName = "MATCHED_VAR_NAME",
        /// Version of the engine as a number.
        ModsecBuild = "MODSEC_BUILD",
        /// Set when a pattern failed at run time.
        MscPcreError = "MSC_PCRE_ERROR",
        /// Set when a pattern passed its match limit.
        MscPcreLimitsExceeded = "MSC_PCRE_LIMITS_EXCEEDED",
        /// The boundary was in quotes.
        MultipartBoundaryQuoted = "MULTIPART_BOUNDARY_QUOTED",
        /// Blanks in the boundary.
        MultipartBoundaryWhitespace = "MULTIPART_BOUNDARY_WHITESPACE",
        /// Line ends were mixed.
        MultipartCrlfLfLines = "MULTIPART_CRLF_LF_LINES",
        /// Bytes behind the last boundary.
        MultipartDataAfter = "MULTIPART_DATA_AFTER",
        /// Bytes before the first boundary.
        MultipartDataBefore = "MULTIPART_DATA_BEFORE",
        /// More files than `SecUploadFileLimit`.
        MultipartFileLimitExceeded = "MULTIPART_FILE_LIMIT_EXCEEDED",
        /// A part header was folded.
        MultipartHeaderFolding = "MULTIPART_HEADER_FOLDING",
        /// A part header was folded wrongly.
        MultipartInvalidHeaderFolding = "MULTIPART_INVALID_HEADER_FOLDING",
        /// A part without a name or without data.
        MultipartInvalidPart = "MULTIPART_INVALID_PART",
        /// Single quotes in a part header.
        MultipartInvalidQuoting = "MULTIPART_INVALID_QUOTING",
        /// A line ended in a bare LF.
        MultipartLfLine = "MULTIPART_LF_LINE",
        /// A semicolon was missing behind multipart/form-data.
        MultipartMissingSemicolon = "MULTIPART_MISSING_SEMICOLON" | "MULTIPART_SEMICOLON_MISSING",
        /// 1 when any of the flags above is set.
        MultipartStrictError = "MULTIPART_STRICT_ERROR",
        /// A line looked like a boundary and was none.
        MultipartUnmatchedBoundary = "MULTIPART_UNMATCHED_BOUNDARY",
        /// 1 when the response body passed its limit.
        OutboundDataError = "OUTBOUND_DATA_ERROR",
        /// The path behind the resource.
        PathInfo = "PATH_INFO",
        /// The query, raw.
        QueryString = "QUERY_STRING",
        /// Address of the client.
        RemoteAddr = "REMOTE_ADDR",
        /// Name of the client, where known, else its address.
        RemoteHost = "REMOTE_HOST",
        /// Port of the client.
        RemotePort = "REMOTE_PORT",
        /// User of Basic authentication.
        RemoteUser = "REMOTE_USER",
        /// 1 when the body did not parse.
        ReqbodyError = "REQBODY_ERROR",
        /// Why it did not.
        ReqbodyErrorMsg = "REQBODY_ERROR_MSG",
        /// URLENCODED, MULTIPART, JSON, XML or empty.
        ReqbodyProcessor = "REQBODY_PROCESSOR",
        /// The same as `REQBODY_ERROR`.
        ReqbodyProcessorError = "REQBODY_PROCESSOR_ERROR",
        /// The same as `REQBODY_ERROR_MSG`.
        ReqbodyProcessorErrorMsg = "REQBODY_PROCESSOR_ERROR_MSG",
        /// The path behind its last slash.
        RequestBasename = "REQUEST_BASENAME",
        /// The raw body of an urlencoded request, or of any when forced.
        RequestBody = "REQUEST_BODY",
        /// Bytes of the body.
        RequestBodyLength = "REQUEST_BODY_LENGTH",
        /// The path, percent-decoded once.
        RequestFilename = "REQUEST_FILENAME",
        /// The request line as received.
        RequestLine = "REQUEST_LINE",
        /// The method as sent.
        RequestMethod = "REQUEST_METHOD",
        /// `HTTP/1.1`.
        RequestProtocol = "REQUEST_PROTOCOL",
        /// Path and query without scheme, host and fragment.
        RequestUri = "REQUEST_URI",
        /// The request target as received.
        RequestUriRaw = "REQUEST_URI_RAW",
        /// The response body, as far as it was kept.
        ResponseBody = "RESPONSE_BODY",
        /// Bytes of the response body.
        ResponseContentLength = "RESPONSE_CONTENT_LENGTH",
        /// Content type of the response.
        ResponseContentType = "RESPONSE_CONTENT_TYPE",
        /// Protocol of the response.
        ResponseProtocol = "RESPONSE_PROTOCOL",
        /// Status of the response.
        ResponseStatus = "RESPONSE_STATUS",
        /// 1 when the response body did not parse.
        ResBodyError = "RES_BODY_ERROR",
        /// Why it did not.
        ResBodyErrorMsg = "RES_BODY_ERROR_MSG",
        /// Processor of the response body.
        ResBodyProcessor = "RES_BODY_PROCESSOR",
        /// The same as `RES_BODY_ERROR`.
        ResBodyProcessorError = "RES_BODY_PROCESSOR_ERROR",
        /// The same as `RES_BODY_ERROR_MSG`.
        ResBodyProcessorErrorMsg = "RES_BODY_PROCESSOR_ERROR_MSG",
        /// Address the request came to.
        ServerAddr = "SERVER_ADDR",
        /// Name in the Host field.
        ServerName = "SERVER_NAME",
        /// Port the request came to.
        ServerPort = "SERVER_PORT",
        /// What `setsid` stored.
        Sessionid = "SESSIONID",
        /// Status of the response, the same as `RESPONSE_STATUS`.
        Status = "STATUS",
        /// The whole status line.
        StatusLine = "STATUS_LINE",
        /// `hh:mm:ss`.
        Time = "TIME",
        /// Day of the month, 1 to 31.
        TimeDay = "TIME_DAY",
        /// Seconds since 1970.
        TimeEpoch = "TIME_EPOCH",
        /// 0 to 23.
        TimeHour = "TIME_HOUR",
        /// 0 to 59.
        TimeMin = "TIME_MIN",
        /// Month, 0 to 11.
        TimeMon = "TIME_MON",
        /// 0 to 59.
        TimeSec = "TIME_SEC",
        /// Day of the week, 0 (Sunday) to 6.
        TimeWday = "TIME_WDAY",
        /// Four digits.
        TimeYear = "TIME_YEAR",
        /// Id of the transaction.
        UniqueId = "UNIQUE_ID",
        /// 1 when percent-encoding was wrong.
        UrlencodedError = "URLENCODED_ERROR",
        /// What `setuid` stored.
        Userid = "USERID",
        /// The application's id.
        Webappid = "WEBAPPID",
    }
}

/// What can stand behind the colon of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One value; takes no selector.
    Scalar,
    /// Values by key; takes a key or a regular expression.
    Collection,
    /// A document; takes an XPath.
    Document,
}

impl Variable {
    /// What selectors it takes.
    #[must_use]
    pub const fn shape(self) -> Shape {
        match self {
            Self::Args
            | Self::ArgsGet
            | Self::ArgsGetNames
            | Self::ArgsNames
            | Self::ArgsPath
            | Self::ArgsPost
            | Self::ArgsPostNames
            | Self::Env
            | Self::Files
            | Self::FilesNames
            | Self::FilesSizes
            | Self::FilesTmpnames
            | Self::FilesTmpContent
            | Self::Geo
            | Self::Global
            | Self::Ip
            | Self::MatchedVars
            | Self::MatchedVarsNames
            | Self::MultipartFilename
            | Self::MultipartName
            | Self::MultipartPartHeaders
            | Self::RequestCookies
            | Self::RequestCookiesNames
            | Self::RequestHeaders
            | Self::RequestHeadersNames
            | Self::Resource
            | Self::ResponseArgs
            | Self::ResponseHeaders
            | Self::ResponseHeadersNames
            | Self::Rule
            | Self::Session
            | Self::Tx
            | Self::User => Shape::Collection,
            Self::Xml | Self::RequestXml | Self::ResponseXml => Shape::Document,
            _ => Shape::Scalar,
        }
    }
}

/// Which values of a collection are meant. Keys and regular expressions are compared without case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The whole of it.
    None,
    /// `:key`
    Key(String),
    /// `:/regex/`, searched unanchored in the key.
    Regex(String),
    /// `:/xpath`, after a variable of shape [`Shape::Document`] only.
    XPath(String),
}

/// What a target does for the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// Each value is inspected.
    Values,
    /// `&`: the number of values is inspected.
    Count,
    /// `!`: these values are taken away from the targets of the same variable.
    Exclude,
}

/// One target of a rule: `ARGS`, `&TX:score`, `!REQUEST_COOKIES:/^_ga/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Inspect, count or exclude.
    pub usage: Use,
    /// The variable.
    pub variable: Variable,
    /// Which of its values.
    pub selector: Selector,
}
