"""Who says a turn: the words that data sets have for it, in the languages in which they are written.

A word that stands for nobody here is not guessed: the spec says whose it is (`fields.roles`).
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
TOOL, REASONING = "tool", "reasoning"
"""Turns that are no part of a conversation yet."""

_WORDS = {
    SYSTEM: """
        system, sys, developer, system prompt, system message, 系统, 系統, 系统提示, 系统消息, システム, 시스템,
        sistema, système, systemnachricht, система, النظام, hệ thống
    """,
    USER: """
        user, usr, human, prompter, customer, client, questioner, asker, instruction, question, query, prompt, q,
        用户, 用戶, 使用者, 客户, 客戶, 顾客, 人类, 人類, 提问者, 提问, 问题, 問題, 问, 問, 指令,
        ユーザー, ユーザ, 利用者, 人間, 顧客, お客様, 質問, 質問者, 사용자, 유저, 인간, 고객, 질문, 질문자,
        usuario, usuaria, humano, cliente, pregunta, utilisateur, utilisatrice, humain, nutzer, nutzerin, benutzer,
        benutzerin, anwender, mensch, kunde, kundin, frage, usuário, utilizador, pergunta, utente, umano, domanda,
        пользователь, человек, вопрос, المستخدم, مستخدم, người dùng
    """,
    ASSISTANT: """
        assistant, bot, chatbot, model, ai, ai assistant, ai model, gpt, chatgpt, bard, bing, claude, gemini, llm, agent,
        language model, response, responder, reply, answer, completion, output, a,
        助手, 助理, 智能助手, ai助手, 机器人, 機器人, 客服, 模型, 人工智能, 回答者, 回答, 答复, 答案, 答,
        アシスタント, aiアシスタント, ボット, チャットボット, モデル, 応答, 어시스턴트, 도우미, 비서, 조수, 챗봇, 봇, 모델, 상담원,
        답변, 응답, asistente, respuesta, modelo, agente, assistante, réponse, modèle, assistent, assistentin, antwort, modell,
        ki, assistente, resposta, risposta, modello, ассистент, помощник, бот, ответ, المساعد, مساعد, trợ lý
    """,
    TOOL: """
        tool, tools, function, function call, function response, function result, tool call, tool calls, tool response,
        tool result, tool output, tool use, observation, ipython, 工具
    """,
    REASONING: "reasoning, thinking, thought, thoughts, think, analysis, 思考",
}
_APART = re.compile(r"[\s_-]+")
_VERSIONED = re.compile(r"(?:chat ?)?gpt ?\d.*|claude \d.*|gemini \d.*")
_SHOWN = re.compile(r"[^\W\d_](?:[\w' -]{0,22}\w)?")


def role_of(name: str, own: Mapping[str, str] | None = None) -> str | None:
    """The role that a name stands for, by the spec's `own` words first; None for one that is not known. Case, accents and blanks do not matter."""
    if own and (said := own.get(name) or own.get(_folded(name))):
        return said
    return _known(name)


def folded_roles(roles: Mapping[str, str]) -> dict[str, str]:
    """The roles of a spec by the form in which names are looked up."""
    return {_folded(name): role for name, role in roles.items()}


def shown(name: str) -> str:
    """A role's name for a message; what is longer than names of roles are, or no word, may be of a person and is not shown."""
    return f"'{name.strip()}'" if _SHOWN.fullmatch(name.strip()) else "that is no word"


@lru_cache(maxsize=1024)
def _known(name: str) -> str | None:
    folded = _folded(name)
    return _ROLES.get(folded) or (ASSISTANT if _VERSIONED.fullmatch(folded) else None)


def _folded(name: str) -> str:
    bare = unicodedata.normalize("NFKC", name).casefold().strip(" \t\n\r:[]【】<>|#*")
    if "\u00e0" <= max(bare, default="") < "\u0250" or "\u1ea0" <= max(bare, default="") <= "\u1eff":  # Latin letters with accents
        bare = "".join(sign for sign in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(sign))
    return _APART.sub(" ", bare)


_ROLES = {_folded(word): role for role, words in _WORDS.items() for word in words.split(",")}
