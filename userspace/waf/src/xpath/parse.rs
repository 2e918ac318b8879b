//! From text to path.

use super::{Axis, Comparison, Expression, Function, Namespace, NodeTest, Path, Step, XPathError};

/// How deep parentheses and predicates may stand in one another.
const DEPTH_LIMIT: usize = 32;

type Outcome<T> = Result<T, &'static str>;

struct Parser<'a> {
    rest: &'a str,
    prefix: &'a dyn Fn(&str) -> Option<String>,
    depth: usize,
}

pub(super) fn read(
    path: &str,
    prefix: &dyn Fn(&str) -> Option<String>,
) -> Result<Path, XPathError> {
    let mut parser = Parser {
        rest: path.trim(),
        prefix,
        depth: 0,
    };
    let found = parser.path().and_then(|found| match parser.rest {
        "" => Ok(found),
        _ => Err("the end"),
    });
    found.map_err(|expected| XPathError {
        path: path.to_owned(),
        at: parser.rest.to_owned(),
        expected,
    })
}

/// `//`
fn anywhere() -> Step {
    Step {
        axis: Axis::DescendantOrSelf,
        test: NodeTest::Any,
        predicates: Vec::new(),
    }
}

impl<'a> Parser<'a> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Passes over a sign, if it is next.
    fn take(&mut self, sign: &str) -> bool {
        self.skip_blanks();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn need(&mut self, sign: &'static str) -> Outcome<()> {
        if self.take(sign) { Ok(()) } else { Err(sign) }
    }

    /// A name without a colon.
    fn word(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let first = |sign: char| sign.is_alphabetic() || sign == '_';
        let further = |sign: char| first(sign) || sign.is_numeric() || matches!(sign, '-' | '.');
        let length = self
            .rest
            .char_indices()
            .find(|&(at, sign)| !(if at == 0 { first(sign) } else { further(sign) }))
            .map_or(self.rest.len(), |(at, _)| at);
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn path(&mut self) -> Outcome<Path> {
        let mut steps = Vec::new();
        let is_absolute = self.rest.trim_start().starts_with('/');
        if self.take("//") {
            steps.push(anywhere());
        } else if is_absolute {
            self.take("/");
            if self.rest.trim_start().is_empty() {
                return Ok(Path { is_absolute, steps });
            }
        }
        loop {
            steps.push(self.step()?);
            if self.take("//") {
                steps.push(anywhere());
            } else if !self.take("/") {
                return Ok(Path { is_absolute, steps });
            }
        }
    }

    fn step(&mut self) -> Outcome<Step> {
        let short = |axis| Step {
            axis,
            test: NodeTest::Any,
            predicates: Vec::new(),
        };
        if self.take("..") {
            return Ok(short(Axis::Parent));
        }
        if self.take(".") {
            return Ok(short(Axis::Itself));
        }
        let axis = self.axis()?;
        let test = self.node_test(axis)?;
        let mut predicates = Vec::new();
        while self.take("[") {
            predicates.push(self.expression()?);
            self.need("]")?;
        }
        Ok(Step {
            axis,
            test,
            predicates,
        })
    }

    fn axis(&mut self) -> Outcome<Axis> {
        if self.take("@") {
            return Ok(Axis::Attribute);
        }
        let before = self.rest;
        let word = self.word();
        if !self.take("::") {
            self.rest = before;
            return Ok(Axis::Child);
        }
        Ok(match word.unwrap_or("") {
            "child" => Axis::Child,
            "descendant" => Axis::Descendant,
            "descendant-or-self" => Axis::DescendantOrSelf,
            "attribute" => Axis::Attribute,
            "self" => Axis::Itself,
            "parent" => Axis::Parent,
            "ancestor" => Axis::Ancestor,
            "ancestor-or-self" => Axis::AncestorOrSelf,
            "following-sibling" => Axis::FollowingSibling,
            "preceding-sibling" => Axis::PrecedingSibling,
            _ => {
                self.rest = before;
                return Err("the name of an axis");
            }
        })
    }

    fn node_test(&mut self, axis: Axis) -> Outcome<NodeTest> {
        if self.take("*") {
            return Ok(NodeTest::Name {
                namespace: None,
                local: None,
            });
        }
        let before = self.rest;
        let word = self.word().ok_or("the name of an element or `*`")?;
        if self.take("(") {
            self.need(")")?;
            return match word {
                "node" => Ok(NodeTest::Any),
                "text" if axis != Axis::Attribute => Ok(NodeTest::Text),
                _ => {
                    self.rest = before;
                    Err("text() or node()")
                }
            };
        }
        if self.rest.starts_with(':') && !self.rest.starts_with("::") {
            let Some(uri) = (self.prefix)(word) else {
                self.rest = before;
                return Err("a prefix that the rule's xmlns names");
            };
            self.take(":");
            let local = if self.take("*") {
                None
            } else {
                Some(self.word().ok_or("the name of an element or `*`")?.into())
            };
            return Ok(NodeTest::Name {
                namespace: Some(Namespace::Uri(uri.into())),
                local,
            });
        }
        Ok(NodeTest::Name {
            namespace: Some(Namespace::None),
            local: Some(word.into()),
        })
    }

    fn expression(&mut self) -> Outcome<Expression> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err("fewer parts inside of one another");
        }
        let mut left = self.conjunction()?;
        while self.keyword("or") {
            left = Expression::Or(Box::new([left, self.conjunction()?]));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn conjunction(&mut self) -> Outcome<Expression> {
        let mut left = self.comparison()?;
        while self.keyword("and") {
            left = Expression::And(Box::new([left, self.comparison()?]));
        }
        Ok(left)
    }

    /// A word that stands between expressions.
    fn keyword(&mut self, keyword: &str) -> bool {
        let before = self.rest;
        if self.word() == Some(keyword) {
            return true;
        }
        self.rest = before;
        false
    }

    fn comparison(&mut self) -> Outcome<Expression> {
        // The longer signs first.
        const SIGNS: [(&str, Comparison); 6] = [
            ("!=", Comparison::Unequal),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("=", Comparison::Equal),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        let left = self.operand()?;
        match SIGNS.into_iter().find(|(sign, _)| self.take(sign)) {
            Some((_, comparison)) => {
                let right = self.operand()?;
                Ok(Expression::Compare(comparison, Box::new([left, right])))
            }
            None => Ok(left),
        }
    }

    fn operand(&mut self) -> Outcome<Expression> {
        self.skip_blanks();
        if self.take("(") {
            let inner = self.expression()?;
            self.need(")")?;
            return Ok(inner);
        }
        for quote in ['"', '\''] {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                let (text, rest) = rest.split_once(quote).ok_or("the closing quote")?;
                self.rest = rest;
                return Ok(Expression::Literal(text.into()));
            }
        }
        let digits = |sign: char| sign.is_ascii_digit() || sign == '.';
        if self.rest.starts_with(|sign: char| sign.is_ascii_digit()) {
            let length = self.rest.find(|sign| !digits(sign));
            let (number, rest) = self.rest.split_at(length.unwrap_or(self.rest.len()));
            let number = number.parse().map_err(|_| "a number")?;
            self.rest = rest;
            return Ok(Expression::Number(number));
        }
        let before = self.rest;
        if let Some(function) = self.word().and_then(function)
            && self.take("(")
        {
            return self.call(function);
        }
        self.rest = before;
        self.path().map(Expression::Path)
    }

    fn call(&mut self, (function, least, most): (Function, usize, usize)) -> Outcome<Expression> {
        let mut arguments = Vec::new();
        if !self.take(")") {
            loop {
                arguments.push(self.expression()?);
                if self.take(")") {
                    break;
                }
                self.need(",")?;
            }
        }
        if !(least..=most).contains(&arguments.len()) {
            return Err("another number of arguments before it");
        }
        Ok(Expression::Call(function, arguments))
    }
}

/// A function by its name, and how many arguments it takes.
fn function(name: &str) -> Option<(Function, usize, usize)> {
    Some(match name {
        "contains" => (Function::Contains, 2, 2),
        "count" => (Function::Count, 1, 1),
        "false" => (Function::False, 0, 0),
        "last" => (Function::Last, 0, 0),
        "local-name" => (Function::LocalName, 0, 1),
        "name" => (Function::Name, 0, 1),
        "namespace-uri" => (Function::NamespaceUri, 0, 1),
        "normalize-space" => (Function::NormalizeSpace, 0, 1),
        "not" => (Function::Not, 1, 1),
        "position" => (Function::Position, 0, 0),
        "starts-with" => (Function::StartsWith, 2, 2),
        "string" => (Function::String, 0, 1),
        "string-length" => (Function::StringLength, 0, 1),
        "true" => (Function::True, 0, 0),
        _ => return None,
    })
}
