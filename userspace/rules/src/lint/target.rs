//! Targets that never have a value in the phase of their rule.

use super::{Findings, Subject};
use seclang::ast::{Use, Variable};

pub(super) fn lint(subject: &Subject<'_>, findings: &mut Findings) {
    let phase = subject.rule.phase().number();
    for (_, condition) in subject.conditions() {
        if condition.operator.negated {
            continue;
        }
        let looked_at = || {
            condition
                .targets
                .iter()
                .filter(|target| target.usage == Use::Values)
        };
        let early = || looked_at().filter(|target| first_phase(target.variable) > phase);
        let all = early().count()
            == condition
                .targets
                .iter()
                .filter(|it| it.usage != Use::Exclude)
                .count();
        for target in early() {
            let first = first_phase(target.variable);
            let what = if all { "the rule never matches: " } else { "" };
            let message = format!(
                "{what}{} has no value before phase {first}, and the rule runs in phase {phase}",
                target.variable
            );
            let remedy = format!("write `phase:{first}`, or look at something else");
            findings.warn(
                "never-matches-target",
                subject,
                target.span,
                message,
                remedy,
            );
        }
    }
}

/// The first phase in which a variable can have a value that means something.
const fn first_phase(variable: Variable) -> u8 {
    use Variable as V;
    match variable {
        V::ArgsPost
        | V::ArgsPostNames
        | V::Files
        | V::FilesNames
        | V::FilesSizes
        | V::FilesTmpnames
        | V::FilesTmpContent
        | V::FilesCombinedSize
        | V::MultipartFilename
        | V::MultipartName
        | V::MultipartPartHeaders
        | V::MultipartBoundaryQuoted
        | V::MultipartBoundaryWhitespace
        | V::MultipartCrlfLfLines
        | V::MultipartDataAfter
        | V::MultipartDataBefore
        | V::MultipartFileLimitExceeded
        | V::MultipartHeaderFolding
        | V::MultipartInvalidHeaderFolding
        | V::MultipartInvalidPart
        | V::MultipartInvalidQuoting
        | V::MultipartLfLine
        | V::MultipartMissingSemicolon
        | V::MultipartStrictError
        | V::MultipartUnmatchedBoundary
        | V::Xml
        | V::RequestXml
        | V::RequestBody
        | V::RequestBodyLength
        | V::ReqbodyError
        | V::ReqbodyErrorMsg
        | V::ReqbodyProcessorError
        | V::ReqbodyProcessorErrorMsg
        | V::InboundDataError => 2,
        V::ResponseHeaders
        | V::ResponseHeadersNames
        | V::ResponseContentLength
        | V::ResponseContentType
        | V::ResponseProtocol
        | V::ResponseStatus
        | V::Status
        | V::StatusLine => 3,
        V::ResponseBody
        | V::ResponseArgs
        | V::ResponseXml
        | V::ResBodyError
        | V::ResBodyErrorMsg
        | V::ResBodyProcessorError
        | V::ResBodyProcessorErrorMsg
        | V::OutboundDataError => 4,
        _ => 1,
    }
}
