//! Names, comments and messages of Rust sources, read with the lexer of rustc. A lexer also reads the bodies of macros, which a parser skips.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ra_ap_rustc_lexer::{DocStyle, FrontmatterAllowed, LiteralKind, TokenKind, tokenize};

use super::source::{Identifiers, NameKind, PassageKind, Source};

/// A token that is neither space nor comment.
struct CodeToken<'s> {
    kind: TokenKind,
    text: &'s str,
    line: usize,
}

/// The item that a brace belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockKind {
    /// `impl` of a type: its functions are declared here.
    Impl,
    /// `impl` of a trait: its names are declared by the trait.
    TraitImpl,
    Trait,
    Other,
}

/// Reads a source into `source`.
pub fn read(text: &str, source: &mut Source) {
    let code = read_texts(text, source);
    DeclarationReader {
        code: &code,
        source,
        identifiers: Identifiers::default(),
        blocks: Vec::new(),
        head: None,
        conditional: false,
    }
    .read();
}

/// Collects comments and messages, and returns the other tokens.
fn read_texts<'s>(text: &'s str, source: &mut Source) -> Vec<CodeToken<'s>> {
    let mut code: Vec<CodeToken<'_>> = Vec::new();
    let (mut at, mut line) = (0, 1);
    // The line of the last comment with a line of its own, and of the last other token.
    let (mut comment_line, mut code_line) = (0, 0);
    for token in tokenize(text, FrontmatterAllowed::No) {
        let body = &text[at..at + token.len as usize];
        at += token.len as usize;
        match token.kind {
            TokenKind::Whitespace => {}
            TokenKind::LineComment { doc_style } => {
                let comment = body.trim_start_matches('/').trim_start_matches('!');
                let continues = comment_line + 1 == line && code_line != line;
                source.line_comment(strip_space(comment), line, passage_kind(doc_style), continues);
                comment_line = if code_line == line { 0 } else { line };
            }
            TokenKind::BlockComment { doc_style, .. } => {
                let comment = body.trim_start_matches(['/', '*', '!']).trim_end_matches(['/', '*']);
                source.block_comment(comment, line, passage_kind(doc_style));
            }
            kind => {
                if let TokenKind::Literal { kind, .. } = kind {
                    let passage = if is_lint_reason(&code) { PassageKind::Comment } else { PassageKind::Message };
                    read_literal(body, kind, line, passage, source);
                }
                code.push(CodeToken { kind, text: body, line });
                code_line = line + body.matches('\n').count();
            }
        }
        line += body.matches('\n').count();
    }
    code
}

const fn passage_kind(style: Option<DocStyle>) -> PassageKind {
    match style {
        Some(_) => PassageKind::DocComment,
        None => PassageKind::Comment,
    }
}

/// Markdown gives further spaces a meaning, so one is removed and no more.
fn strip_space(comment: &str) -> &str {
    comment.strip_prefix(' ').unwrap_or(comment)
}

/// Whether the next literal is the reason of a lint attribute, `reason = "…"`. It is for readers of the source, as a comment is.
fn is_lint_reason(code: &[CodeToken<'_>]) -> bool {
    matches!(code, [.., comma, name, equals] if comma.text == "," && name.text == "reason" && equals.text == "=")
}

fn read_literal(body: &str, kind: LiteralKind, line: usize, passage: PassageKind, source: &mut Source) {
    let escapes = match kind {
        LiteralKind::Str { .. } | LiteralKind::ByteStr { .. } | LiteralKind::CStr { .. } => true,
        LiteralKind::RawStr { .. } | LiteralKind::RawByteStr { .. } | LiteralKind::RawCStr { .. } => false,
        _ => return,
    };
    if let (Some(start), Some(end)) = (body.find('"'), body.rfind('"'))
        && start < end
    {
        source.literal(&body[start + 1..end], line, passage, escapes);
    }
}

/// Reads declarations by the keyword before each name.
struct DeclarationReader<'c, 's> {
    code: &'c [CodeToken<'s>],
    source: &'c mut Source,
    identifiers: Identifiers<'s>,
    blocks: Vec<BlockKind>,
    /// The block that the next brace opens, after `impl` or `trait`.
    head: Option<BlockKind>,
    /// The item has a `cfg` attribute.
    conditional: bool,
}

impl<'s> DeclarationReader<'_, 's> {
    fn read(mut self) {
        let mut at = 0;
        while let Some(token) = self.code.get(at) {
            match token.kind {
                TokenKind::OpenBrace => {
                    self.blocks.push(self.head.take().unwrap_or(BlockKind::Other));
                    self.conditional = false;
                }
                TokenKind::CloseBrace => {
                    self.blocks.pop();
                    self.conditional = false;
                }
                TokenKind::Semi => (self.head, self.conditional) = (None, false),
                TokenKind::Pound => {
                    at = self.skip_attribute(at);
                    continue;
                }
                TokenKind::Ident | TokenKind::RawIdent | TokenKind::Lifetime { .. } => at += self.read_name(at),
                _ => {}
            }
            at += 1;
        }
    }

    /// Skips an attribute and returns the index after it.
    fn skip_attribute(&mut self, pound: usize) -> usize {
        let mut depth = 0;
        for at in pound + 1..self.code.len() {
            match self.code[at].kind {
                TokenKind::Bang => {}
                TokenKind::OpenBracket => depth += 1,
                TokenKind::CloseBracket => {
                    depth -= 1;
                    if depth == 0 {
                        return at + 1;
                    }
                }
                // A `#` of a macro's pattern.
                _ if depth == 0 => return at,
                TokenKind::Ident => self.conditional |= self.code[at].text == "cfg",
                _ => {}
            }
        }
        self.code.len()
    }

    /// Reads the name at `at`, or the declaration that begins there. Returns how many more tokens it took.
    fn read_name(&mut self, at: usize) -> usize {
        let token = &self.code[at];
        let block = self.blocks.last().copied().unwrap_or(BlockKind::Other);
        let conditional = self.conditional;
        let kind = match token.text {
            "impl" if self.begins_item(at) => {
                self.head = Some(BlockKind::Impl);
                return 0;
            }
            "for" if self.head == Some(BlockKind::Impl) && !self.is(at + 1, TokenKind::Lt) => {
                self.head = Some(BlockKind::TraitImpl);
                return 0;
            }
            "struct" | "enum" => NameKind::Type { conditional, alias: None },
            "union" if self.is(at + 2, TokenKind::OpenBrace) => NameKind::Type { conditional, alias: None },
            "trait" => {
                self.head = Some(BlockKind::Trait);
                NameKind::Type { conditional, alias: None }
            }
            "type" if matches!(block, BlockKind::Impl | BlockKind::TraitImpl) => return 1,
            // Its users choose the type, so two traits may have the same one.
            "type" if block == BlockKind::Trait => NameKind::Other,
            "type" => NameKind::Type { conditional, alias: Some(self.hash_definition(at)) },
            "fn" if block == BlockKind::TraitImpl => return usize::from(self.is_name(at + 1)),
            "fn" if self.returns_self(at) => NameKind::Constructor,
            "fn" => NameKind::Function,
            // Not the type of a raw pointer.
            "const" if at > 0 && self.is(at - 1, TokenKind::Star) => return 0,
            "const" | "static" => NameKind::Constant,
            "mod" if self.is(at + 2, TokenKind::OpenBrace) => NameKind::Module,
            "macro_rules" if self.is(at + 1, TokenKind::Bang) && self.is_name(at + 2) => {
                let name = &self.code[at + 2];
                self.source.name(name.text, name.line, NameKind::Macro);
                return 2;
            }
            _ => {
                let name = token.text.trim_start_matches("r#").trim_start_matches('\'');
                self.identifiers.add(name, token.line, self.source);
                return 0;
            }
        };
        let skipped = usize::from(self.is_text(at + 1, "mut"));
        match self.code.get(at + 1 + skipped) {
            Some(name)
                if self.is_name(at + 1 + skipped)
                    && !matches!(name.text, "fn" | "unsafe" | "async" | "extern" | "_") =>
            {
                self.source.name(name.text.trim_start_matches("r#"), name.line, kind);
                1 + skipped
            }
            _ => 0,
        }
    }

    /// Whether `impl` declares an implementation here; elsewhere it is part of a type.
    fn begins_item(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1).map(|before| &self.code[before]) else { return true };
        match before.kind {
            TokenKind::CloseBrace
            | TokenKind::OpenBrace
            | TokenKind::Semi
            | TokenKind::CloseBracket
            | TokenKind::Star => true,
            _ => matches!(before.text, "unsafe" | "default"),
        }
    }

    /// Whether the function whose `fn` is at `at` has `Self` in its return type.
    fn returns_self(&self, at: usize) -> bool {
        let signature =
            self.code[at..].iter().take_while(|token| !matches!(token.kind, TokenKind::OpenBrace | TokenKind::Semi));
        let texts: Vec<&str> = signature.map(|token| token.text).collect();
        let arrow = texts.windows(2).rposition(|pair| pair == ["-", ">"]);
        arrow.is_some_and(|arrow| texts[arrow..].contains(&"Self"))
    }

    /// The hash of the tokens from `at` to the end of the definition.
    fn hash_definition(&self, at: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        let tokens = self.code[at..].iter().take_while(|token| token.kind != TokenKind::Semi);
        tokens.for_each(|token| token.text.hash(&mut hasher));
        hasher.finish()
    }

    fn is(&self, at: usize, kind: TokenKind) -> bool {
        self.code.get(at).is_some_and(|token| token.kind == kind)
    }

    fn is_name(&self, at: usize) -> bool {
        self.is(at, TokenKind::Ident) || self.is(at, TokenKind::RawIdent)
    }

    fn is_text(&self, at: usize, text: &str) -> bool {
        self.code.get(at).is_some_and(|token| token.text == text)
    }
}
