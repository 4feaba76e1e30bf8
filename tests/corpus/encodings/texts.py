# ruff: noqa: E501 (a text is easier to read in one line)
"""Texts by language: a short sentence and a longer text each, and the encodings that texts of the language come in.

All were written for this table. The truth of a test is the text itself; Python's codecs make the bytes.
"""

from typing import NamedTuple


class Sample(NamedTuple):
    """A text, and the codecs that can write it."""

    language: str
    short: str
    long: str
    codecs: tuple[str, ...]


_WIDE = ("utf-16-le", "utf-16-be", "utf-16", "utf-32-le", "utf-32-be", "utf-32")

TABLE = (
    Sample(
        "ko",
        "겨울철에는 수도관이 얼지 않도록 물을 조금씩 틀어 두어야 합니다.",
        "이 설명서는 가정용 보일러의 점검 방법을 다룹니다. 먼저 전원을 끄고 밸브를 잠근 다음 압력계를 확인하십시오. "
        "압력이 기준보다 낮으면 물을 보충하고, 높으면 서비스 센터에 연락해야 합니다. 필터는 석 달마다 한 번씩 청소하십시오.\n",
        ("euc_kr", "cp949", "johab", "iso2022_kr", *_WIDE),
    ),
    Sample(
        "ko",
        "똠얌꿍을 처음 먹어 본 날, 햏자들은 그 펲 소스 맛에 놀랐다고 한다.",
        "그는 똠방각하라는 드라마를 다시 보았다. 옆집 아저씨는 뷁이라는 말을 처음 듣고 무슨 뜻이냐고 물었다. "
        "아이들은 웃으면서 그것은 아무 뜻도 없는 글자라고 대답했다. 저녁에는 모두 모여 쌰앗을 심었다.\n",
        ("cp949", "johab"),
    ),
    Sample(
        "ja",
        "雨の日は床が滑りやすいので、足元に気をつけて歩いてください。",
        "この手順書では、給湯器の点検方法を説明します。まず電源を切り、元栓を閉めてから圧力計を確かめてください。"
        "値が基準より低いときは水を足し、高いときは販売店に連絡してください。フィルターは三か月に一度、ぬるま湯で洗います。\n",
        ("euc_jp", "cp932", "shift_jis", "iso2022_jp", *_WIDE),
    ),
    Sample(
        "ja",
        "①電源を切る。②カバーを外す。③髙橋さんに報告する。",
        "第Ⅱ章では㈱山﨑製作所の点検表を使います。①外観に傷がないか、②ボルトが緩んでいないか、③油が漏れていないかを順に見てください。"
        "長さは㍉単位で測り、№の欄に機械の番号を書きます。異常があれば髙橋さんに知らせてください。\n",
        ("cp932",),
    ),
    Sample(
        "th",
        "กรุณาล้างมือด้วยสบู่ทุกครั้งก่อนเตรียมอาหาร",
        "คู่มือนี้อธิบายวิธีตรวจสอบเครื่องทำน้ำอุ่นในบ้าน ให้ปิดสวิตช์ไฟก่อน แล้วจึงปิดวาล์วน้ำและดูค่าความดัน "
        "ถ้าความดันต่ำกว่าเกณฑ์ให้เติมน้ำ ถ้าสูงเกินไปให้ติดต่อช่าง ควรล้างแผ่นกรองทุกสามเดือนเพื่อให้เครื่องทำงานได้ดี\n",
        ("tis_620", "cp874", "iso8859_11", *_WIDE),
    ),
    Sample(
        "ru",
        "Перед началом работы проверьте, что все крепления затянуты.",
        "В этом руководстве описано, как проверять домашний котёл. Сначала отключите питание и закройте кран, затем посмотрите на манометр. "
        "Если давление ниже нормы, долейте воду; если выше, позвоните мастеру. Фильтр нужно промывать раз в три месяца.\n",
        ("koi8_r", "cp1251", "iso8859_5", "cp866", "mac_cyrillic", *_WIDE),
    ),
    Sample(
        "uk",
        "Перевірте, чи всі двері зачинені, і вимкніть світло в коридорі.",
        "У цьому посібнику пояснено, як перевіряти домашній котел. Спочатку вимкніть живлення й закрийте кран, потім погляньте на манометр. "
        "Якщо тиск нижчий за норму, долийте воду; якщо вищий, зателефонуйте майстрові. Фільтр слід промивати кожні три місяці.\n",
        ("koi8_u", "cp1251", "iso8859_5", *_WIDE),
    ),
    Sample(
        "bg",
        "Преди да включите уреда, прочетете внимателно указанията за работа.",
        "Това ръководство обяснява как се проверява домашният котел. Първо изключете захранването и затворете крана, после погледнете манометъра. "
        "Ако налягането е по-ниско от нормата, долейте вода; ако е по-високо, обадете се на техник. Филтърът се почиства на всеки три месеца.\n",
        ("cp1251", "iso8859_5"),
    ),
    Sample(
        "sr",
        "Пре почетка рада проверите да ли су сви вијци добро затегнути.",
        "Ово упутство објашњава како се проверава кућни бојлер. Најпре искључите струју и затворите вентил, па погледајте показивач притиска. "
        "Ако је притисак нижи од прописаног, долијте воду; ако је виши, позовите мајстора. Филтер треба чистити свака три месеца.\n",
        ("cp1251", "iso8859_5"),
    ),
    Sample(
        "cs",
        "Před každým použitím zkontrolujte, zda není poškozený přívodní kabel.",
        "Tato příručka popisuje, jak se kontroluje domácí kotel. Nejdříve vypněte proud a zavřete kohout, potom se podívejte na tlakoměr. "
        "Je-li tlak nižší než předepsaný, doplňte vodu; je-li vyšší, zavolejte technika. Žádný filtr by neměl být čištěn méně než jednou za čtvrt roku.\n",
        ("iso8859_2", "cp1250", "cp852", "mac_latin2", *_WIDE),
    ),
    Sample(
        "pl",
        "Przed każdym użyciem sprawdź, czy przewód nie jest uszkodzony, i zamknij zawór.",
        "Ta instrukcja wyjaśnia, jak sprawdzać domowy kocioł. Najpierw wyłącz zasilanie i zakręć kurek, następnie spójrz na ciśnieniomierz. "
        "Jeśli ciśnienie jest niższe niż należy, dolej wody; jeśli wyższe, zadzwoń do serwisu. Źle oczyszczony filtr trzeba płukać co trzy miesiące.\n",
        ("iso8859_2", "cp1250", "cp852"),
    ),
    Sample(
        "hu",
        "Használat előtt mindig ellenőrizze, hogy a tömítések nem sérültek-e meg.",
        "Ez az útmutató leírja, hogyan kell ellenőrizni az otthoni kazánt. Először kapcsolja ki az áramot, zárja el a csapot, majd nézze meg a nyomásmérőt. "
        "Ha a nyomás az előírtnál alacsonyabb, töltsön utána vizet; ha magasabb, hívja a szerelőt. A szűrőt háromhavonta kell kiöblíteni.\n",
        ("iso8859_2", "cp1250", "cp852"),
    ),
    Sample(
        "hr",
        "Prije čišćenja isključite uređaj i pričekajte da se potpuno ohladi.",
        "Ovaj priručnik objašnjava kako se provjerava kućni bojler. Najprije isključite struju i zatvorite ventil, zatim pogledajte mjerač tlaka. "
        "Ako je tlak niži od propisanog, dolijte vodu; ako je viši, nazovite majstora. Šteta nastaje kad se filtar ne ispire svaka tri mjeseca. Žurba ne pomaže.\n",
        ("iso8859_2", "cp1250", "cp852"),
    ),
    Sample(
        "el",
        "Πριν από κάθε χρήση ελέγξτε αν το καλώδιο έχει φθαρεί.",
        "Αυτό το εγχειρίδιο εξηγεί πώς ελέγχεται ο οικιακός λέβητας. Πρώτα κλείστε το ρεύμα και τη βάνα, μετά κοιτάξτε το μανόμετρο. "
        "Άν η πίεση είναι χαμηλότερη από το κανονικό, προσθέστε νερό· αν είναι ψηλότερη, καλέστε τον τεχνικό. Το φίλτρο πλένεται κάθε τρεις μήνες.\n",
        ("iso8859_7", "cp1253", "cp737", *_WIDE),
    ),
    Sample(
        "tr",
        "Her kullanımdan önce kablonun zarar görüp görmediğini kontrol ediniz.",
        "Bu kılavuz evdeki kombinin nasıl denetleneceğini anlatır. Önce elektriği kesin ve vanayı kapatın, ardından basınç göstergesine bakın. "
        "Basınç olması gerekenden düşükse su ekleyin; yüksekse ustayı arayın. İyi çalışması için süzgeç üç ayda bir yıkanmalıdır. Şüphe ederseniz sorun.\n",
        ("iso8859_9", "cp1254", "cp857", *_WIDE),
    ),
    Sample(
        "he",
        "לפני כל שימוש יש לבדוק שהכבל אינו פגום ושהברז סגור היטב.",
        "מדריך זה מסביר כיצד בודקים את הדוד הביתי. תחילה מנתקים את החשמל וסוגרים את הברז, ואחר כך מסתכלים על מד הלחץ. "
        "אם הלחץ נמוך מן הרגיל מוסיפים מים, ואם הוא גבוה מתקשרים לטכנאי. את המסנן שוטפים אחת לשלושה חודשים.\n",
        ("cp1255", "iso8859_8", "cp862", *_WIDE),
    ),
    Sample(
        "ar",
        "قبل كل استعمال تأكد من أن السلك غير تالف وأن الصمام مغلق.",
        "يشرح هذا الدليل كيفية فحص السخان المنزلي. افصل التيار أولا ثم أغلق الصمام وانظر إلى مقياس الضغط. "
        "إذا كان الضغط أقل من المطلوب فأضف الماء، وإذا كان أعلى فاتصل بالفني. يجب غسل المرشح مرة كل ثلاثة أشهر.\n",
        ("cp1256", "iso8859_6", *_WIDE),
    ),
    Sample(
        "fa",
        "پيش از هر بار استفاده مطمئن شويد که سيم آسيب نديده است.",
        "اين راهنما توضيح مي‌دهد که آبگرمکن خانگي چگونه بررسي مي‌شود. نخست برق را قطع کنيد و شير را ببنديد، سپس به فشارسنج نگاه کنيد. "
        "اگر فشار کمتر از اندازه است آب اضافه کنيد و اگر بيشتر است با تعميرکار تماس بگيريد. چهار پيچ پشت دستگاه را هم محکم کنيد.\n",
        ("cp1256",),
    ),
    Sample(
        "lt",
        "Prieš kiekvieną naudojimą patikrinkite, ar laidas nėra pažeistas.",
        "Šiame vadove aiškinama, kaip tikrinti namų katilą. Pirmiausia išjunkite srovę ir užsukite čiaupą, paskui pažiūrėkite į slėgmatį. "
        "Jeigu slėgis mažesnis už nustatytą, įpilkite vandens; jeigu didesnis, skambinkite meistrui. Filtrą reikia plauti kas tris mėnesius. Žiūrėkite atidžiai.\n",
        ("cp1257", "iso8859_13", "iso8859_4"),
    ),
    Sample(
        "lv",
        "Pirms katras lietošanas pārbaudiet, vai vads nav bojāts un krāns ir aizvērts.",
        "Šajā rokasgrāmatā paskaidrots, kā pārbaudīt mājas katlu. Vispirms atslēdziet strāvu un aizgrieziet krānu, pēc tam apskatiet spiediena rādītāju. "
        "Ja spiediens ir zemāks par noteikto, pielejiet ūdeni; ja augstāks, zvaniet meistaram. Filtrs jāmazgā reizi trijos mēnešos. Ļoti svarīgi ir negaidīt.\n",
        ("cp1257", "iso8859_13", "iso8859_4"),
    ),
    Sample(
        "et",
        "Enne iga kasutamist kontrollige, kas juhe on terve ja kraan kinni.",
        "See juhend selgitab, kuidas kontrollida kodust katelt. Kõigepealt lülitage vool välja ja sulgege kraan, seejärel vaadake rõhumõõdikut. "
        "Kui rõhk on ettenähtust madalam, lisage vett; kui kõrgem, helistage meistrile. Filtrit tuleb loputada iga kolme kuu järel. Žürii seda ei näe.\n",
        ("cp1257", "iso8859_13", "cp1252"),
    ),
    Sample(
        "vi",
        "Trước mỗi lần sử dụng, hãy kiểm tra xem dây điện có bị hỏng không.",
        "Tài liệu này giải thích cách kiểm tra bình nước nóng trong nhà. Trước tiên hãy ngắt điện và khóa van, sau đó xem đồng hồ áp suất. "
        "Nếu áp suất thấp hơn mức quy định thì thêm nước; nếu cao hơn thì gọi thợ. Bộ lọc cần được rửa ba tháng một lần.\n",
        ("cp1258", *_WIDE),
    ),
    Sample(
        "fr",
        "Avant chaque usage, vérifiez que le câble n’est pas abîmé et fermez la vanne à côté.",
        "Ce guide explique comment contrôler la chaudière à la maison. Coupez d’abord l’électricité et fermez le robinet, puis regardez le manomètre. "
        "Si la pression est inférieure à la norme, ajoutez de l’eau ; si elle est supérieure, appelez le technicien. Où qu’il soit placé, le filtre doit être rincé tous les trois mois.\n",
        ("cp1252", "mac_roman"),
    ),
    Sample(
        "fr",
        "Le garçon a mangé une crêpe au chocolat près de la fenêtre fermée.",
        "La réunion a été repoussée à la fin du mois d'août. Les élèves étaient très déçus, car ils avaient préparé une pièce de théâtre. "
        "Le maire a déclaré que la salle serait réparée bientôt et que la fête aurait lieu à Noël, peut-être même plus tôt.\n",
        ("iso8859_1", "iso8859_15", "cp850", "cp437", "mac_roman"),
    ),
    Sample(
        "de",
        "Prüfen Sie vor jeder Benutzung, ob das Kabel beschädigt ist.",
        "Diese Anleitung erklärt, wie man den Heizkessel zu Hause überprüft. Schalten Sie zuerst den Strom ab und schließen Sie den Hahn, dann sehen Sie auf den Druckmesser. "
        "Ist der Druck zu niedrig, füllen Sie Wasser nach; ist er höher als üblich, rufen Sie den Handwerker. Über den Filter läuft alle drei Monate klares Wasser.\n",
        ("cp1252", "iso8859_1", "mac_roman", "cp850", "cp437"),
    ),
    Sample(
        "es",
        "¿Dónde está la válvula? Está detrás del depósito, según el técnico.",
        "Esta guía explica cómo revisar la caldera de casa. Primero corte la corriente y cierre la llave, después mire el manómetro. "
        "Si la presión es más baja de lo normal, añada agua; si es más alta, llame al técnico. ¡No olvide lavar el filtro cada tres meses! Así durará muchos años.\n",
        ("cp1252", "iso8859_1", "mac_roman", "cp850"),
    ),
    Sample(
        "pt",
        "Antes de cada utilização, verifique se o cabo não está danificado.",
        "Este manual explica como se faz a revisão da caldeira. Primeiro desligue a eletricidade e feche a torneira, depois observe o manómetro. "
        "Se a pressão estiver abaixo do normal, junte água; se estiver acima, ligue ao técnico. O filtro deve ser lavado de três em três meses, não mais tarde.\n",
        ("cp1252", "iso8859_1", "mac_roman", "cp850"),
    ),
    Sample(
        "sv",
        "Kontrollera före varje användning att sladden är hel och kranen stängd.",
        "Den här handboken förklarar hur man ser över värmepannan hemma. Stäng först av strömmen och vrid åt kranen, titta sedan på tryckmätaren. "
        "Är trycket lägre än det ska vara, fyll på vatten; är det högre, ring montören. Filtret behöver sköljas var tredje månad. Åtgärda fel genast.\n",
        ("cp1252", "iso8859_1", "mac_roman", "cp850"),
    ),
    Sample(
        "zh",
        "每次使用之前，请先检查电线有没有破损，再打开阀门。",
        "本手册介绍家用锅炉的检查方法。先切断电源，关闭水阀，然后查看压力表。如果压力低于规定数值，就要补水；如果高于规定数值，应当联系维修人员。"
        "过滤网每三个月清洗一次，清洗时不要使用热水。\n",
        ("gb18030", "gbk", "gb2312", "hz", *_WIDE),
    ),
    Sample(
        "zh",
        "喆喆说𠮷野家的镕炉要先预热，㐀字很少见。",
        "珺璟和堃哥在镕基路开了一家小店，店名叫𠮷祥。他们说囍字要贴在门上，㙍字没有人认识。店里卖的东西很多，价钱也便宜，附近的人都爱来。\n",
        ("gb18030",),
    ),
    Sample(
        "zh",
        "每次使用之前，請先檢查電線有沒有破損，再打開閥門。",
        "本手冊介紹家用鍋爐的檢查方法。先切斷電源，關閉水閥，然後查看壓力錶。如果壓力低於規定數值，就要補水；如果高於規定數值，應當聯絡維修人員。"
        "過濾網每三個月清洗一次，清洗時不要使用熱水。\n",
        ("big5", "cp950", "big5hkscs", "gbk"),
    ),
    Sample(
        "zh",
        "佢哋話呢間舖頭嘅嘢好食，啲人成日嚟排隊。",
        "今日天氣好熱，我哋喺公園度坐咗成個下晝。佢話聽日會落雨，叫我記得帶遮。啲細路喺度玩緊波，嘈到阿婆瞓唔着覺。我諗住去買啲嘢飲，你要唔要？\n",
        ("big5hkscs",),
    ),
)
"""What the decision was made on."""
